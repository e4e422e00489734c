"""What the outputs of a round of feedback say of its judge: agreement in a panel, and effects of length and order."""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowest import statistics
from cowest.records import Estimate, GradedExample, LengthEffect, OrderEffect, PanelAgreement, PanelMember
from cowest.statistics.values import Floats
from cowest.tasks import Task
from cowest.types import Example, Verdict

Ints = NDArray[np.int64]


class JudgedText(NamedTuple):
    """What is kept of a text that was judged for a query: z, or a refined output or a draft.

    Attributes:
        length: in characters.
        metric: the task's, of the text; None where it is not known.
        solo_metric: likewise, of z.
    """

    example_id: str
    length: int
    verdict: Verdict
    metric: float | None = None
    solo_metric: float | None = None


class JudgeEffects:
    """What the outputs of a round say of its judge; of each output only numbers are kept.

    Args:
        task: whose metric verdicts are compared with; None where it is not known.
    """

    def __init__(self, task: Task | None) -> None:
        self._task = task
        self._num_queries = 0
        self._lengths = _Lengths()
        self._of_panel: list[Verdict] = []
        self._compared: list[JudgedText] = []

    def add(self, example: Example, row: GradedExample) -> None:
        """Counts every text that was judged, each once a query: equal texts would count one verdict several times."""
        texts = [(row.solo, row.solo_verdict)]
        texts += [(each.refined if each.refined is not None else each.draft.text, each.verdict) for each in row.drafts]
        different: dict[str, tuple[str, Verdict]] = {}
        for text, verdict in texts:
            different.setdefault(text.strip(), (text, verdict))
        solo_metric = self._metric(example, row.solo)
        for text, verdict in different.values():
            judged = JudgedText(row.example_id, len(text), verdict, self._metric(example, text), solo_metric)
            self._lengths.add(self._num_queries, judged)
            if verdict.members:
                self._of_panel.append(verdict)
            if verdict.votes:
                self._compared.append(judged)
        self._num_queries += 1

    def _metric(self, example: Example, text: str) -> float | None:
        if self._task is None or not example.references:
            return None
        return self._task.score(example, self._task.parse(example, text))[self._task.metric]

    def result(self) -> Iterator[tuple[str, PanelAgreement | LengthEffect | OrderEffect | None]]:
        """What is measured of the judge, by the field of the summary."""
        has_metric = self._task is not None
        yield "panel", panel_agreement(self._of_panel)
        yield "length_effect", self._lengths.effect(has_metric=has_metric)
        yield "order_effect", order_effect(self._compared, has_metric=has_metric)


def panel_agreement(verdicts: Sequence[Verdict]) -> PanelAgreement | None:
    """The agreement of a panel's members on different texts; None without a panel.

    A tie without votes, that of z with itself, is no opinion of theirs.
    """
    asked = [verdict for verdict in verdicts if verdict.compared is None or verdict.votes]
    units = [verdict.members for verdict in asked if verdict.members]
    roles = sorted({role for unit in units for role in unit})
    if not roles:
        return None
    members = {}
    for role in roles:
        given = [value for unit in units if (value := unit.get(role)) is not None]
        mean = sum(given) / len(given) if given else None
        members[role] = PanelMember(num_given=len(given), num_unscored=len(units) - len(given), mean=mean)
    ratings = [[unit.get(role) for role in roles] for unit in units]
    return PanelAgreement(
        num_outputs=sum(sum(value is not None for value in unit) > 1 for unit in ratings),
        alpha=statistics.krippendorff_alpha(ratings),
        members=members,
    )


def length_effect(texts: Iterable[JudgedText], *, has_metric: bool) -> LengthEffect | None:
    """Whether longer outputs for a query are judged better; None without two outputs of one query."""
    lengths, numbers = _Lengths(), dict[str, int]()
    for each in texts:
        lengths.add(numbers.setdefault(each.example_id, len(numbers)), each)
    return lengths.effect(has_metric=has_metric)


class _Lengths:
    """Lengths and verdicts of the outputs with a score, a few bytes each: a round may have millions of them."""

    def __init__(self) -> None:
        self._queries = array("q")
        self._lengths = array("q")
        self._values = array("b")
        self._metrics = array("d")

    def add(self, query: int, text: JudgedText) -> None:
        if text.verdict.value is not None:
            self._queries.append(query)
            self._lengths.append(text.length)
            self._values.append(text.verdict.value)
            self._metrics.append(math.nan if text.metric is None else text.metric)

    def effect(self, *, has_metric: bool) -> LengthEffect | None:
        queries = np.array(self._queries, dtype=np.int64)
        counted = np.bincount(queries)[queries] > 1 if len(queries) else np.zeros(0, dtype=bool)
        if not counted.any():
            return None
        queries, values = queries[counted], np.array(self._values, dtype=float)[counted]
        lengths = np.log1p(np.array(self._lengths, dtype=float)[counted])
        effect = LengthEffect(num_outputs=len(queries), within_query=_within(queries, values, lengths))
        if not has_metric:
            return effect
        metrics = np.array(self._metrics, dtype=float)[counted]
        known = ~np.isnan(metrics)
        _, levels = np.unique(metrics[known], return_inverse=True)
        alike = queries[known] * (len(levels) + 1) + levels
        return effect.model_copy(update={"at_equal_metric": _within(alike, values[known], lengths[known])})


def order_effect(texts: Sequence[JudgedText], *, has_metric: bool) -> OrderEffect | None:
    """How votes depend on the order of the two texts; None where none were compared.

    Args:
        texts: the outputs, those that equal z among them.
        has_metric: whether a task says how good they are.
    """
    compared = [each for each in texts if each.verdict.votes]
    if not compared:
        return None
    # The first vote of each two is for the output where that was shown first, the second where z was.
    first = [
        (float(vote == (1 if index % 2 == 0 else -1)), each.example_id)
        for each in compared
        for index, vote in enumerate(each.verdict.votes or ())
    ]
    return OrderEffect(
        num_comparisons=len(compared),
        num_split=sum(_is_split(each.verdict.votes or ()) for each in compared),
        first_share=Estimate.of(statistics.mean_interval([value for value, _ in first], [query for _, query in first])),
        concordance=_concordance(compared) if has_metric else None,
    )


def _is_split(votes: Sequence[int]) -> bool:
    return any(votes[index] != votes[index + 1] for index in range(0, len(votes), 2))


def _concordance(compared: Sequence[JudgedText]) -> float | None:
    shares = []
    for each in compared:
        own, other = each.metric, each.solo_metric
        if own is not None and other is not None and own != other and each.verdict.compared is not None:
            shares.append((1 + each.verdict.compared * (1 if own > other else -1)) / 2)
    return sum(shares) / len(shares) if shares else None


def _within(groups: Ints, values: Floats, lengths: Floats) -> float | None:
    """Pearson's correlation of verdict and log length, both as deviations from the mean of their group."""
    values, lengths = _deviations(groups, values), _deviations(groups, lengths)
    spread = math.sqrt(float(values @ values) * float(lengths @ lengths))
    return float(values @ lengths) / spread if spread > 1e-12 else None


def _deviations(groups: Ints, values: Floats) -> Floats:
    if not len(values):
        return values
    _, numbers = np.unique(groups, return_inverse=True)
    means = np.bincount(numbers, weights=values) / np.bincount(numbers)
    return np.asarray(values - means[numbers])
