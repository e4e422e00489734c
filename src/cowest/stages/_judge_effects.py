"""What the outputs of a round of feedback say of its judge: agreement in a panel, and effects of length and order."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cowest import statistics
from cowest.records import Estimate, GradedExample, LengthEffect, OrderEffect, PanelAgreement, PanelMember
from cowest.statistics.values import Floats
from cowest.tasks import Task
from cowest.types import Example, Verdict

Metric = Callable[[str, str], float | None]
"""The task's metric of an output, by the example's id and the text; None where there is no reference."""


class JudgedText(NamedTuple):
    """A text that was judged for a query: z, or a refined output or a draft."""

    example_id: str
    text: str
    verdict: Verdict


def judged_texts(graded: Sequence[GradedExample]) -> list[JudgedText]:
    """Every text that was judged, each once a query: equal texts would count one verdict several times."""
    found: dict[tuple[str, str], JudgedText] = {}
    for row in graded:
        texts = [(row.solo, row.solo_verdict)]
        texts += [(each.refined if each.refined is not None else each.draft.text, each.verdict) for each in row.drafts]
        for text, verdict in texts:
            found.setdefault((row.example_id, text.strip()), JudgedText(row.example_id, text, verdict))
    return list(found.values())


def metric_of(task: Task, examples: Mapping[str, Example]) -> Metric:
    """The metric of outputs for these examples."""

    def metric(example_id: str, text: str) -> float | None:
        example = examples[example_id]
        return task.score(example, task.parse(example, text))[task.metric] if example.references else None

    return metric


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


def length_effect(texts: Sequence[JudgedText], metric: Metric | None) -> LengthEffect | None:
    """Whether longer outputs for a query are judged better; None without two outputs of one query."""
    scored = [each for each in texts if each.verdict.value is not None]
    counts = Counter(each.example_id for each in scored)
    scored = [each for each in scored if counts[each.example_id] > 1]
    if not scored:
        return None
    queries = [each.example_id for each in scored]
    effect = LengthEffect(num_outputs=len(scored), within_query=_within(queries, scored))
    if metric is None:
        return effect
    rated = [(each, metric(each.example_id, each.text)) for each in scored]
    known = [(each, value) for each, value in rated if value is not None]
    alike = [f"{value} {each.example_id}" for each, value in known]
    return effect.model_copy(update={"at_equal_metric": _within(alike, [each for each, _ in known])})


def order_effect(texts: Sequence[JudgedText], solos: Mapping[str, str], metric: Metric | None) -> OrderEffect | None:
    """How votes depend on the order of the two texts; None where none were compared.

    Args:
        texts: the outputs, those that equal z among them.
        solos: the text of z, by the example's id.
        metric: of the task; None where that is not known.
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
        concordance=None if metric is None else _concordance(compared, solos, metric),
    )


def _is_split(votes: Sequence[int]) -> bool:
    return any(votes[index] != votes[index + 1] for index in range(0, len(votes), 2))


def _concordance(compared: Sequence[JudgedText], solos: Mapping[str, str], metric: Metric) -> float | None:
    shares = []
    for each in compared:
        own, other = metric(each.example_id, each.text), metric(each.example_id, solos[each.example_id])
        if own is not None and other is not None and own != other and each.verdict.compared is not None:
            shares.append((1 + each.verdict.compared * (1 if own > other else -1)) / 2)
    return sum(shares) / len(shares) if shares else None


def _within(groups: Sequence[str], texts: Sequence[JudgedText]) -> float | None:
    """Pearson's correlation of verdict and log length, both as deviations from the mean of their group."""
    values = _deviations(groups, [float(each.verdict.value or 0) for each in texts])
    lengths = _deviations(groups, [math.log1p(len(each.text)) for each in texts])
    spread = math.sqrt(float(values @ values) * float(lengths @ lengths))
    return float(values @ lengths) / spread if spread > 1e-12 else None


def _deviations(groups: Sequence[str], values: Sequence[float]) -> Floats:
    _, numbers = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    found = np.asarray(values, dtype=float)
    if not len(found):
        return found
    means = np.bincount(numbers, weights=found) / np.bincount(numbers)
    return np.asarray(found - means[numbers])


def effects_of(
    graded: Sequence[GradedExample], task: Task | None, examples: Mapping[str, Example]
) -> Iterator[tuple[str, PanelAgreement | LengthEffect | OrderEffect | None]]:
    """What is measured of the judge of a round, by the field of its summary."""
    texts, metric = judged_texts(graded), None if task is None else metric_of(task, examples)
    yield "panel", panel_agreement([each.verdict for each in texts])
    yield "length_effect", length_effect(texts, metric)
    yield "order_effect", order_effect(texts, {row.example_id: row.solo for row in graded}, metric)
