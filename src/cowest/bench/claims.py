"""The paper's claims, each with the differences it concerns and its outcome on this task."""

import itertools
from collections.abc import Sequence

from cowest.bench.cells import MAIN_PAIR, OWN, PAPERS_KIND
from cowest.bench.claim_rules import INCONCLUSIVE, REPRODUCED, contrast, judge_all, judge_any, with_holm
from cowest.bench.measured import Measured
from cowest.bench.over_seeds import BenchMeasurements
from cowest.method_names import (
    COLLABORATE,
    COLLABORATE_SFT,
    SINGLE_MODELS,
    STRONG_ONLY,
    is_kind_collaborate,
    is_row_of,
    kind_collaborate,
    kind_weak_only,
    label,
)
from cowest.records import Claim, ClaimOutcome, Contrast
from cowest.records.bench import BEATS_EACH

BASELINES = {
    "skr": ("skr",),
    "flare": ("flare",),
    "super_icl": ("super_icl",),
    "self_refine": ("self_refine", "self_refine_weak", "self_refine_strong"),  # the first is that of a failed cell
    "rlaif": (kind_weak_only("rlaif"), kind_collaborate("rlaif")),
    "rlwf": (kind_weak_only("rlwf"), kind_collaborate("rlwf")),
}
"""What Table 1 compares the aligned pair with: by claim, the rows, RLAIF and RLWF each alone and with the strong."""

_NAMES = {"self_refine": "Self-Refine", "rlaif": "RLAIF", "rlwf": "RLWF"}

FURTHER_METRICS = ("f1", "macro_f1")
"""Beside the headline metric, those in which the paper's Table 1 compares its rows."""


def papers_claims(measured: BenchMeasurements) -> list[Claim]:
    """The claims of section 4 and the prediction of section 3.5, judged."""
    return with_holm(_ClaimJudge(measured).judge())


class _ClaimJudge:
    def __init__(self, measured: BenchMeasurements) -> None:
        self.measured = measured
        self.rows = measured.rows

    def judge(self) -> list[Claim]:
        other_kinds = [row for name, row in self.rows.items() if is_kind_collaborate(name)]
        singles = self._rows_of(SINGLE_MODELS)
        formats = {(labels.format, labels.aligned): point for labels, point in self.measured.formats}
        names = list(dict.fromkeys(name for name, _ in formats))
        other_formats = [formats[name, True] for name in names if name != "chain_of_thought"]
        chain_of_thought = formats.get(("chain_of_thought", True))
        find = self.measured.first.find
        pair = self.rows.get(COLLABORATE) or find(MAIN_PAIR, COLLABORATE, COLLABORATE)
        unaligned = self.rows.get(COLLABORATE_SFT) or find(MAIN_PAIR, COLLABORATE_SFT, COLLABORATE_SFT)
        return [
            self._in_every_metric(
                BEATS_EACH,
                "The aligned pair does better than the weak and than the strong model alone (Table 1).",
                [(pair, single) for single in singles],
            ),
            self._in_every_metric(
                "unaligned_collaboration_beats_each_alone",
                "Without alignment too, the pair does better than each model alone (Table 1, Figure 3).",
                [(unaligned, single) for single in singles],
            ),
            *self._beats_baselines(pair),
            self._in_every_metric(
                "alignment_helps",
                "The pair does better with an aligned weak model than with one that is not aligned (Figure 3).",
                [(pair, unaligned)],
            ),
            self._every_difference(
                "alignment_helps_in_every_format",
                "One round of alignment helps in every format of drafts (Figure 3).",
                [(formats[name, True], formats[name, False]) for name in names],
            ),
            self._in_every_metric(
                "collaborative_feedback_beats_other_kinds",
                "Feedback on the collaboration aligns better than feedback that does not see it (Table 1).",
                [(pair, other) for other in other_kinds],
            ),
            *self._with_equal_pairs(),
            self._every_difference(
                "chain_of_thought_is_best",
                "Chain of thought is the best format of drafts, with alignment (Figure 3).",
                [] if chain_of_thought is None else [(chain_of_thought, other) for other in other_formats],
            ),
            self._stronger_model_gains_more(),
            self._more_pairs_help(),
            self._fewer_unhelpful_drafts(),
        ]

    def _beats_baselines(self, pair: Measured) -> list[Claim]:
        """A claim for each baseline of Table 1 that the bench has, with whichever strong models it has it."""
        found = {name: self._rows_of(methods) for name, methods in BASELINES.items()}
        return [
            self._in_every_metric(
                f"collaboration_beats_{name}",
                f"The aligned pair does better than {_NAMES.get(name, label(name))} (Table 1).",
                [(pair, row) for row in rows],
            )
            for name, rows in found.items()
            if rows
        ]

    def _with_equal_pairs(self) -> list[Claim]:
        points = {labels.kind: point for labels, point in self.measured.equal_pairs}
        own = points.pop(PAPERS_KIND, None)
        if own is None or not points:
            return []
        statement = "The same after one round, with as many pairs of each kind."
        compared = [(own, other) for other in points.values()]
        return [self._in_every_metric("collaborative_feedback_beats_other_kinds_with_equal_pairs", statement, compared)]

    def _rows_of(self, methods: Sequence[str]) -> list[Measured]:
        """The rows of these methods, also those with a further strong model."""
        return [row for method in methods for name, row in self.rows.items() if is_row_of(name, method)]

    def _in_every_metric(self, name: str, statement: str, compared: Sequence[tuple[Measured, Measured]]) -> Claim:
        """A claim that holds only if the first does better in each of these pairs of rows, in each metric."""
        return self._every_difference(name, statement, compared, FURTHER_METRICS)

    def _every_difference(
        self, name: str, statement: str, compared: Sequence[tuple[Measured, Measured]], further: Sequence[str] = ()
    ) -> Claim:
        """A claim that holds only if, in each of these pairs of rows, the first does better."""
        contrasts, note = self._contrasts(compared, further)
        outcome, p_value = judge_all(contrasts)
        if note and outcome == REPRODUCED:  # a missing row could have refuted it
            outcome = INCONCLUSIVE
        return _claim(name, statement, outcome, p_value, contrasts, note)

    def _stronger_model_gains_more(self) -> Claim:
        points = {(labels.weak, labels.strong, labels.row): point for labels, point in self.measured.models}
        strong = list(dict.fromkeys(key[1] for key in points if key[0] == OWN))
        compared = []
        for better, worse in itertools.permutations(strong, 2):
            alone, _ = self._contrasts([(points[OWN, better, STRONG_ONLY], points[OWN, worse, STRONG_ONLY])])
            if judge_all(alone)[0] == REPRODUCED:
                compared.append((points[OWN, better, COLLABORATE], points[OWN, worse, COLLABORATE]))
        statement = "With the same weak model, the strong model that is better alone gains more over it (Figure 5)."
        claim = self._every_difference("more_capable_strong_model_gains_more", statement, compared)
        if compared:
            return claim
        reason = "no two strong models were measured" if len(strong) < 2 else "none is measurably better alone"
        return claim.model_copy(update={"note": f"{reason}, so none counts as more capable"})

    def _more_pairs_help(self) -> Claim:
        points = [point for labels, point in self.measured.pairs if labels.pairs]
        contrasts, note = self._contrasts([(point, points[0]) for point in points[1:]])
        outcome, p_value = judge_any(contrasts)
        measured_points = [(labels.pairs, point) for labels, point in self.measured.pairs if point.reason is None]
        if contrasts:
            peak = max(measured_points, key=lambda pair: _mean(pair[1]))[0]
            note = "; ".join(part for part in (note, f"best with {peak} pairs") if part)
        statement = "More preference pairs help, up to a number: some larger number beats the smallest (Figure 4)."
        return _claim("more_pairs_help", statement, outcome, p_value, contrasts, note)

    def _fewer_unhelpful_drafts(self) -> Claim:
        contrasts: list[Contrast] = []
        note = "no drafts were graded before and after alignment"
        before, after = (self.measured.unhelpful_by_seed[name] for name in ("before", "after"))
        groups = self.measured.groups_of_probe
        if (found := contrast("unhelpful before", "unhelpful after", before, after, groups)) is not None:
            contrasts, note = [found], ""
        outcome, p_value = judge_all(contrasts)
        statement = "The aligned weak model writes fewer drafts that do not beat the strong model alone (section 3.5)."
        return _claim("fewer_unhelpful_drafts", statement, outcome, p_value, contrasts, note)

    def _contrasts(
        self, compared: Sequence[tuple[Measured, Measured]], further: Sequence[str] = ()
    ) -> tuple[list[Contrast], str]:
        """The contrasts between rows that were measured, in the headline metric and in these further ones of the task.

        Also a note that names the missing rows.
        """
        missing = {row.name for pair in compared for row in pair if row.reason is not None}
        contrasts = [
            found
            for a, b in compared
            if a.reason is None and b.reason is None
            for metric in (a.metric, *(name for name in further if name != a.metric and _has(a, b, name)))
            if (found := _contrast(a, b, metric)) is not None
        ]
        return contrasts, f"not measured: {', '.join(sorted(missing))}" if missing else ""


def _has(a: Measured, b: Measured, metric: str) -> bool:
    return all(row.numbers is not None and metric in row.numbers.metrics for row in (a, b))


def _contrast(a: Measured, b: Measured, metric: str) -> Contrast | None:
    return contrast(
        *(a.name, b.name, a.by_seed(metric), b.by_seed(metric), a.groups),
        is_trained=(a.is_trained, b.is_trained),
        metric=metric,
    )


def _mean(row: Measured) -> float:
    by_seed = row.by_seed().values()
    return sum(sum(scores.values()) / len(scores) for scores in by_seed) / len(by_seed)


def _claim(
    name: str, statement: str, outcome: ClaimOutcome, p_value: float | None, contrasts: Sequence[Contrast], note: str
) -> Claim:
    if not contrasts:
        note = note or "there is nothing to compare"
    return Claim(name=name, statement=statement, verdict=outcome, p_value=p_value, contrasts=list(contrasts), note=note)
