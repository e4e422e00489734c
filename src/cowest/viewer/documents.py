"""What the viewer's server sends: records whose fields are those of the JSON."""

from dataclasses import dataclass
from typing import Any

from cowest.viewer.rows import Row


@dataclass(frozen=True)
class CollectionOverview:
    """What a page shows about a collection before any of its examples.

    Attributes:
        counts: examples that each flag holds for; all of them under "".
        facets: the values of each field that examples can be filtered by, with their counts.
        growing: whether a stage still writes to the first file.
        complete: whether all files are read, or reading them failed.
        problem: why the index could not be completed.
        share_done: how much of the files is read, from 0 to 1.
        broken: lines that could not be read, by source.
    """

    name: str
    title: str
    counts: dict[str, int]
    facets: dict[str, dict[str, int]]
    growing: bool
    complete: bool
    problem: str | None
    share_done: float
    broken: dict[str, int]


@dataclass(frozen=True)
class RunOverview:
    """A run in the list of runs.

    Attributes:
        headline: one sentence about the results, or about an evaluation that has not ended; None before one begins.
        verdict: "better", "worse" or "no difference shown".
        banner: a warning shown above all numbers of the run, such as "lab".
        collections: the evaluation first, then the rounds from the last.
    """

    name: str
    path: str
    headline: str | None
    verdict: str | None
    banner: str | None
    collections: list[CollectionOverview]


@dataclass(frozen=True)
class ListedItem:
    """An example in a list; see `Item`."""

    id: str
    excerpt: str
    score: float | None
    gain: float | None
    alone: float | None
    answer: str | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class ComparedItem(ListedItem):
    """An example with its score and answer in the other run, None where that run does not have it."""

    other_score: float | None
    other_answer: str | None


@dataclass(frozen=True)
class Page:
    """Some examples of a list.

    Attributes:
        total: the number of examples in the list, or a lower bound of it.
        is_more: whether there are more than `total`, since a search is not counted to the end.
        is_whole_word: whether the last word of the search was taken as a whole word: too many words begin with it.
    """

    items: list[ListedItem]
    total: int
    is_more: bool = False
    is_whole_word: bool = False


@dataclass(frozen=True)
class ItemList:
    """One page of a list; see `Page`.

    Attributes:
        compared: whether the examples are compared with another run's.
    """

    total: int
    more: bool
    whole_word: bool
    offset: int
    items: list[ListedItem]
    compared: bool


# Values below that come from a run's files are `Any`: they are shown whatever they are.


@dataclass(frozen=True)
class MethodAnswer:
    """What one method answered; the fields of a `Prediction` that are shown."""

    name: str
    title: str
    draft: Any
    draft_answer: Any
    output: Any
    answer: Any
    correct: Any
    scores: Any
    label: Any
    error: Any
    calls: Any
    latency_s: Any
    cost_usd: Any


@dataclass(frozen=True)
class EvaluatedItem:
    """An example of the evaluation with every method's answer.

    Attributes:
        pair, alone: the names of the methods that are the pair and the strong model alone; None where not evaluated.
    """

    id: str
    run: str
    collection: str
    query: Any
    reference: list[str]
    gold_label: Any
    fields: Any
    pair: str | None
    alone: str | None
    methods: list[MethodAnswer]


@dataclass(frozen=True)
class DraftItem:
    """A draft with what came of it.

    Attributes:
        reward: where the annotator ranks drafts by a reward; else None.
        chosen_in, rejected_in: numbers, from 1, of the query's pairs that the draft is in.
    """

    index: Any
    text: Any
    finish_reason: Any
    refined: Any
    verdict: Any
    gain: Any
    reward: Any
    chosen_in: list[int]
    rejected_in: list[int]


@dataclass(frozen=True)
class GradedItem:
    """A query of a round's feedback with its drafts.

    Attributes:
        null: the second sample of the strong model alone, where the null control drew one.
        failures: why the query was left out.
    """

    id: str
    run: str
    collection: str
    query: Any
    reference: list[str]
    fields: Any
    null: Row | None
    comparisons: Any
    solo: Any
    solo_verdict: Any
    skipped: Any
    failures: list[Any]
    num_pairs: int
    drafts: list[DraftItem]
