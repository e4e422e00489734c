"""Diagnostics of a round of feedback: the null control, and how the judge agrees with the task's metric."""

import math
from array import array
from collections.abc import Sequence
from random import Random

import numpy as np

from cowest import preferences, statistics
from cowest.annotators.base import PERFECT
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError
from cowest.judge import BaseJudge
from cowest.records import CalibrationPoint, Estimate, GradedExample, JudgeAgreement, NullControl, NullSample
from cowest.records.measures import DifferenceEstimate
from cowest.tasks import Task
from cowest.types import Example, Verdict


def draw_null_control(examples: Sequence[Example], count: int, seed: int) -> set[str]:
    """Draws the ids of the examples in the null control."""
    drawn = Random(f"null control {seed}").sample(range(len(examples)), min(count, len(examples)))
    return {examples[index].id for index in drawn}


async def null_sample(
    example: Example, graded: GradedExample, collaboration: Collaboration, judge: BaseJudge
) -> NullSample | None:
    """Samples z' and has it judged; None where z has the full score, which z' cannot beat."""
    if graded.solo_verdict.score == PERFECT:
        return None
    text = ""
    try:
        text = (await collaboration.solo(example.query, sample_index=1)).text
        verdict = await judge.against(example, text, graded.solo, sample_index=1)
    except CompletionError as error:
        verdict = Verdict(unscored_reason=str(error))
    return NullSample(example_id=example.id, text=text, verdict=verdict)


class NullControlRates:
    """How often a draft beats z, compared with how often z' does, which is the positive rate of pure noise.

    Both rates are over the same examples: graded ones in the control with a scored z' and at least one scored draft
    among the first 2 * floor(K/2). Later drafts do not count, since `skip_settled` makes them only where the first
    ones were one-sided. An example's real rate is the share of its drafts that beat z; its null rate is 0 or 1.

    Args:
        controlled: ids of the examples in the control.
        samples: K.
    """

    def __init__(self, controlled: set[str], samples: int) -> None:
        self._controlled = controlled
        self._samples = samples
        self._real: list[float] = []
        self._null: list[float] = []
        self._groups: list[str | None] = []

    def add(self, example: GradedExample, null: NullSample | None) -> None:
        """Counts an example; `null` is z', None where z has the full score."""
        if example.example_id not in self._controlled:
            return
        if null is None:
            self._count(0.0, 0.0, example)
            return
        null_gain = preferences.gain(null.verdict, example.solo_verdict)
        first = [draft for draft in example.drafts if draft.draft.sample_index < 2 * (self._samples // 2)]
        scored = [preferences.is_positive(draft) for draft in first if draft.gain is not None]
        if null_gain is not None and scored:
            self._count(sum(scored) / len(scored), float(null_gain > 0), example)

    def _count(self, real: float, null: float, example: GradedExample) -> None:
        self._real.append(real)
        self._null.append(null)
        self._groups.append(example.group)

    def result(self) -> NullControl:
        """The rates of the examples so far."""
        num_left_out = len(self._controlled) - len(self._null)
        if not self._null:
            return NullControl(num_examples=0, num_left_out=num_left_out)
        difference = statistics.paired_difference(self._real, self._null, self._groups)
        return NullControl(
            num_examples=len(self._null),
            num_left_out=num_left_out,
            positive_rate=Estimate.of(statistics.mean_interval(self._null, self._groups)),
            real_positive_rate=Estimate.of(statistics.mean_interval(self._real, self._groups)),
            difference=DifferenceEstimate(
                value=difference.difference, ci95=(difference.low, difference.high), p_value=difference.p_value
            ),
        )


class JudgedOutputs:
    """How the judge's scores order outputs, compared with the task's headline metric and with their lengths.

    Every judged output with a score counts: z, and for each draft y* or the draft itself. Of each only numbers are
    kept. `concordance` is the ROC AUC for a metric of 0 and 1; `calibration` has intervals over queries or their
    groups.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._groups: list[str] = []
        self._scores = array("b")
        self._metrics = array("d")
        self._lengths = array("q")

    def add(self, example: Example, row: GradedExample) -> None:
        """Counts the outputs of an example."""
        # Outputs for one query resemble each other, so a query that stands alone is a group.
        group = f"query {row.example_id}" if row.group is None else f"group {row.group}"
        judged = [(row.solo, row.solo_verdict)]
        judged += [(each.refined if each.refined is not None else each.draft.text, each.verdict) for each in row.drafts]
        for text, verdict in judged:
            if verdict.score is not None and example.references:
                self._groups.append(group)
                self._scores.append(verdict.score)
                self._metrics.append(self._task.score(example, self._task.parse(example, text))[self._task.metric])
                self._lengths.append(len(text))

    def result(self) -> JudgeAgreement | None:
        """The agreement on the outputs so far; None without any."""
        if not self._scores:
            return None
        return JudgeAgreement(
            metric=self._task.metric,
            num_outputs=len(self._scores),
            concordance=concordance(self._metrics, self._scores),
            length_correlation=_rank_correlation(self._scores, self._lengths),
            calibration=_calibration(self._groups, self._scores, self._metrics),
        )


def _calibration(groups: Sequence[str], scores: Sequence[int], metrics: Sequence[float]) -> list[CalibrationPoint]:
    points = []
    for score in sorted(set(scores)):
        indices = [index for index, other in enumerate(scores) if other == score]
        interval = statistics.mean_interval([metrics[index] for index in indices], [groups[index] for index in indices])
        bounds = (interval.low, interval.high)
        points.append(CalibrationPoint(verdict=score, num_outputs=len(indices), value=interval.value, ci95=bounds))
    return points


def concordance(truth: Sequence[float], scores: Sequence[float]) -> float | None:
    """Share of pairs with different truths that the scores order the same way, ties half; None without such a pair.

    This is (D + 1) / 2 of Somers' D(scores | truth), which is Kendall's tau-b with another divisor.
    """
    from scipy.stats import kendalltau

    num_pairs = math.comb(len(truth), 2)
    num_untied_truths, num_untied_scores = num_pairs - _num_tied(truth), num_pairs - _num_tied(scores)
    if num_untied_truths == 0:
        return None
    if num_untied_scores == 0:
        return 0.5
    somers_d = float(kendalltau(truth, scores).statistic) * math.sqrt(num_untied_scores / num_untied_truths)
    return (somers_d + 1) / 2


def _num_tied(values: Sequence[float]) -> int:
    return sum(math.comb(int(count), 2) for count in np.unique(np.asarray(values), return_counts=True)[1])


def _rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)
