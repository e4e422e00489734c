"""Diagnostics of a round of feedback: the null control, and how the judge agrees with the task's metric."""

import math
from collections.abc import Mapping, Sequence
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


def null_control(
    graded: Sequence[GradedExample], nulls: Sequence[NullSample], controlled: set[str], samples: int
) -> NullControl:
    """How often a draft beats z, compared with how often z' does, which is the positive rate of pure noise.

    Both rates are over the same examples: graded ones in the control with a scored z' and at least one scored draft
    among the first 2 * floor(K/2). Later drafts do not count, since `skip_settled` makes them only where the first
    ones were one-sided. An example's real rate is the share of its drafts that beat z; its null rate is 0 or 1.
    """
    by_id = {null.example_id: null.verdict for null in nulls}
    real_rates: list[float] = []
    null_rates: list[float] = []
    groups: list[str | None] = []
    for example in graded:
        if example.example_id not in controlled:
            continue
        if example.solo_verdict.score == PERFECT:
            real_rates.append(0.0)
            null_rates.append(0.0)
            groups.append(example.group)
            continue
        null_gain = preferences.gain(by_id[example.example_id], example.solo_verdict)
        first = [draft for draft in example.drafts if draft.draft.sample_index < 2 * (samples // 2)]
        scored = [preferences.is_positive(draft) for draft in first if draft.gain is not None]
        if null_gain is not None and scored:
            real_rates.append(sum(scored) / len(scored))
            null_rates.append(float(null_gain > 0))
            groups.append(example.group)
    num_left_out = len(controlled) - len(null_rates)
    if not null_rates:
        return NullControl(num_examples=0, num_left_out=num_left_out)
    difference = statistics.paired_difference(real_rates, null_rates, groups)
    return NullControl(
        num_examples=len(null_rates),
        num_left_out=num_left_out,
        positive_rate=Estimate.of(statistics.mean_interval(null_rates, groups)),
        real_positive_rate=Estimate.of(statistics.mean_interval(real_rates, groups)),
        difference=DifferenceEstimate(
            value=difference.difference, ci95=(difference.low, difference.high), p_value=difference.p_value
        ),
    )


def judge_agreement(
    graded: Sequence[GradedExample], examples: Mapping[str, Example], task: Task
) -> JudgeAgreement | None:
    """How the judge's scores order outputs, compared with the task's headline metric and with their lengths.

    Every judged output with a score counts: z, and for each draft y* or the draft itself. None without any.
    `concordance` is the ROC AUC for a metric of 0 and 1; `calibration` has intervals over queries or their groups.
    """
    groups: list[str] = []
    scores: list[int] = []
    metrics: list[float] = []
    lengths: list[int] = []
    for row in graded:
        judged = [(row.solo, row.solo_verdict)]
        judged += [(each.refined if each.refined is not None else each.draft.text, each.verdict) for each in row.drafts]
        for text, verdict in judged:
            if verdict.score is not None and examples[row.example_id].references:
                # Outputs for one query resemble each other, so a query that stands alone is a group.
                groups.append(f"query {row.example_id}" if row.group is None else f"group {row.group}")
                scores.append(verdict.score)
                metrics.append(
                    task.score(examples[row.example_id], task.parse(examples[row.example_id], text))[task.metric]
                )
                lengths.append(len(text))
    if not scores:
        return None
    return JudgeAgreement(
        metric=task.metric,
        num_outputs=len(scores),
        concordance=concordance(metrics, scores),
        length_correlation=_rank_correlation(scores, lengths),
        calibration=_calibration(groups, scores, metrics),
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
