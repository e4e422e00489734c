"""Multiple choice: options as lettered lines, and which option a text means."""

import re
import string
from collections.abc import Sequence

from cowest import metrics

LETTERS = string.ascii_uppercase

# "B", "(B)", "B.", "b) Paris", "option B: Paris". A bare letter before other words is an article or a name.
_LETTERED = re.compile(
    r"(?:option|choice)?\s*(?:\((?P<round>[a-z])\)|\[(?P<square>[a-z])\]|(?P<bare>[a-z])(?:$|\s*(?P<mark>[.):])))"
    r"\s*[:.\-]?\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)


def render(options: Sequence[str]) -> str:
    """The options as lines "(A) ...", "(B) ..."."""
    return "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))


def find(text: str, options: Sequence[str]) -> int | None:
    """The index of the option that `text` means: by its text, its letter, or both.

    Nothing is guessed: None where it means no option or could mean two, and where letter and text disagree. Of options
    with the same text the first stands for all.
    """
    by_text = with_text(text, options)
    match = _LETTERED.fullmatch(text.strip())
    index = LETTERS.find((match["round"] or match["square"] or match["bare"]).upper()) if match else -1
    if match is None or index >= len(options):
        return by_text
    rest = match["rest"].strip()
    if rest:
        return by_text if by_text is not None else _lettered(index, rest, match["mark"], options)
    # "(A)" is how the query writes the letter, even where the text of an option is "A".
    in_parentheses = match["bare"] is None
    return index if in_parentheses or by_text is None or same(options[by_text], options[index]) else None


def letter(index: int, options: Sequence[str]) -> str:
    """The letter of an option, in parentheses where a bare letter could be read as another option's text."""
    bare = LETTERS[index]
    return bare if find(bare, options) == index else f"({bare})"


def _lettered(index: int, rest: str, mark: str | None, options: Sequence[str]) -> int | None:
    named = with_text(rest, options)
    if named is not None:
        return index if same(options[named], options[index]) else None
    # "C. difficile" is a name; "C. Streptococcus" is option C where that option shares a word with it.
    is_name = mark == "." and not metrics.token_f1(rest, [options[index]])
    return None if is_name else index


def with_text(text: str, options: Sequence[str]) -> int | None:
    """The index of the first option with this text; None where there is none, or where different options fit."""
    for fits in (same, _nearly_same):
        indices = [index for index, option in enumerate(options) if fits(text, option)]
        if indices and all(same(options[index], options[indices[0]]) for index in indices):
            return indices[0]
    return None


def same(a: str, b: str) -> bool:
    """Equal but for case, spaces and a full stop at the end."""
    return metrics.accuracy(a, [b]) == 1.0


def _nearly_same(a: str, b: str) -> bool:
    return metrics.exact_match(a, [b]) == 1.0
