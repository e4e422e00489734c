"""Prompts that begin alike, e.g. refinements of several drafts for one query: what they share is prefilled once."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

Prompt = tuple[int, ...]

_MIN_SHARED_TOKENS = 8
_ALIKE = 0.8  # of what a prompt shares with its other neighbour: with less it waits for that one
_WORTH_IT = 0.8  # of the tokens that would be prefilled otherwise: a second pass and its mask have a price, too
_MOST_PADDING = 1.25  # of the longest prompt: the cache is as wide as beginning and end together


class HasPrompt(Protocol):
    """A row to decode, of which only the prompt matters here."""

    @property
    def prompt(self) -> Prompt:
        """Token ids."""


Row = TypeVar("Row", bound=HasPrompt)


@dataclass(frozen=True)
class Split:
    """Prompts as beginnings and ends, each of at least one token.

    Attributes:
        prefixes: the beginnings, each of them once.
        suffixes: the end of each prompt.
        prefix_of: for each prompt the index of its beginning.
    """

    prefixes: Sequence[Prompt]
    suffixes: Sequence[Prompt]
    prefix_of: Sequence[int]


def grouped(prompts: Sequence[Prompt]) -> list[list[int]]:
    """Indices of prompts, those together that begin alike. Sharing pays if each group prefills its beginning once.

    Args:
        prompts: token ids, all different.
    """
    order = sorted(range(len(prompts)), key=prompts.__getitem__)
    shared = [_shared(prompts[one], prompts[other]) for one, other in itertools.pairwise(order)]
    groups: list[list[int]] = []
    begins_alike = 0  # tokens that the whole last group shares
    for place, index in enumerate(order):
        before = shared[place - 1] if place else 0
        after = shared[place] if place < len(shared) else 0
        with_it = min(begins_alike, before)
        saved = begins_alike * (len(groups[-1]) - 1) if groups else 0
        if groups and with_it >= _MIN_SHARED_TOKENS and with_it * len(groups[-1]) > saved and with_it > _ALIKE * after:
            groups[-1].append(index)
            begins_alike = with_it
        else:
            groups.append([index])
            begins_alike = len(prompts[index])
    return groups


def rows_of_groups(rows: Sequence[Row]) -> list[list[list[Row]]]:
    """Rows by group of prompts that begin alike, and in it by prompt."""
    by_prompt: dict[Prompt, list[Row]] = {}
    for row in rows:
        by_prompt.setdefault(row.prompt, []).append(row)
    of_prompt = list(by_prompt.values())
    return [[of_prompt[index] for index in group] for group in grouped(list(by_prompt))]


def split(prompts: Sequence[Prompt]) -> Split | None:
    """Splits all prompts, or none: where that leaves a fifth less to prefill, padding included.

    Args:
        prompts: token ids, all different.
    """
    groups = grouped(prompts)
    if len(groups) == len(prompts) or min(map(len, prompts)) < 2:
        return None
    lengths = {id(group): _prefix_length([prompts[index] for index in group]) for group in groups}
    width = max(len(prompts[index]) - lengths[id(group)] for group in groups for index in group if len(group) > 1)
    prefixes: list[Prompt] = []
    prefix_of = [0] * len(prompts)
    for group in groups:
        first = prompts[group[0]]
        # Alone, as much of it stays for the second pass as that one holds anyway.
        length = lengths[id(group)] if len(group) > 1 else max(1, len(first) - width)
        for index in group:
            prefix_of[index] = len(prefixes)
        prefixes.append(first[:length])
    suffixes = [prompt[len(prefixes[prefix_of[index]]) :] for index, prompt in enumerate(prompts)]
    longest, prefix_width, suffix_width = (max(map(len, each)) for each in (prompts, prefixes, suffixes))
    num_tokens = len(prefixes) * prefix_width + len(prompts) * suffix_width
    if num_tokens > _WORTH_IT * len(prompts) * longest or prefix_width + suffix_width > _MOST_PADDING * longest:
        return None
    return Split(prefixes, suffixes, prefix_of)


def _prefix_length(prompts: Sequence[Prompt]) -> int:
    """Tokens that all of them share, without the last one of any: the model's first prediction follows it."""
    return min(_shared(min(prompts), max(prompts)), *(len(prompt) - 1 for prompt in prompts))


def _shared(one: Prompt, other: Prompt) -> int:
    both = min(len(one), len(other))
    if one[:both] == other[:both]:
        return both
    return next(place for place in range(both) if one[place] != other[place])
