"""The paper's claims, each with the differences it concerns and its outcome on this task."""

import itertools
from collections.abc import Mapping, Sequence

from cowest.bench.cells import MAIN_PAIR, OWN
from cowest.bench.claim_rules import INCONCLUSIVE, REPRODUCED, contrast, judge_all, judge_any, with_holm
from cowest.bench.measured import Measured
from cowest.bench.points import BenchPoints, unhelpful_shares
from cowest.method_names import COLLABORATE, COLLABORATE_SFT, SINGLE_MODELS, STRONG_ONLY, is_kind_collaborate
from cowest.records import Claim, ClaimOutcome, Contrast
from cowest.records.bench import BEATS_EACH


def papers_claims(points: BenchPoints, rows: Mapping[str, Measured]) -> list[Claim]:
    """The claims of section 4 and the prediction of section 3.5, judged.

    Args:
        rows: the rows of the table by name.
    """
    return with_holm(_ClaimJudge(points).judge(rows))


class _ClaimJudge:
    def __init__(self, points: BenchPoints) -> None:
        self.points = points

    def judge(self, rows: Mapping[str, Measured]) -> list[Claim]:
        other_kinds = [row for name, row in rows.items() if is_kind_collaborate(name)]
        singles = [rows[name] for name in SINGLE_MODELS if name in rows]
        formats = {(labels.format, labels.aligned): point for labels, point in self.points.formats()}
        names = list(dict.fromkeys(name for name, _ in formats))
        other_formats = [formats[name, True] for name in names if name != "chain_of_thought"]
        chain_of_thought = formats.get(("chain_of_thought", True))
        pair = rows.get(COLLABORATE) or self.points.find(MAIN_PAIR, COLLABORATE, COLLABORATE)
        unaligned = self.points.find(MAIN_PAIR, COLLABORATE_SFT, COLLABORATE_SFT)
        return [
            self._every_difference(
                BEATS_EACH,
                "The aligned pair does better than the weak and than the strong model alone (Table 1).",
                [(pair, single) for single in singles],
            ),
            self._every_difference(
                "alignment_helps",
                "The pair does better with an aligned weak model than with one that is not aligned (Figure 3).",
                [(pair, unaligned)],
            ),
            self._every_difference(
                "alignment_helps_in_every_format",
                "One round of alignment helps in every format of drafts (Figure 3).",
                [(formats[name, True], formats[name, False]) for name in names],
            ),
            self._every_difference(
                "collaborative_feedback_beats_other_kinds",
                "Feedback on the collaboration aligns better than feedback that does not see it (Table 1).",
                [(pair, other) for other in other_kinds],
            ),
            self._every_difference(
                "chain_of_thought_is_best",
                "Chain of thought is the best format of drafts, with alignment (Figure 3).",
                [] if chain_of_thought is None else [(chain_of_thought, other) for other in other_formats],
            ),
            self._stronger_model_gains_more(),
            self._more_pairs_help(),
            self._fewer_unhelpful_drafts(),
        ]

    def _every_difference(self, name: str, statement: str, compared: Sequence[tuple[Measured, Measured]]) -> Claim:
        """A claim that holds only if, in each of these pairs of rows, the first does better."""
        contrasts, note = self._contrasts(compared)
        outcome, p_value = judge_all(contrasts)
        if note and outcome == REPRODUCED:  # a missing row could have refuted it
            outcome = INCONCLUSIVE
        return _claim(name, statement, outcome, p_value, contrasts, note)

    def _stronger_model_gains_more(self) -> Claim:
        points = {(labels.weak, labels.strong, labels.row): point for labels, point in self.points.models()}
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
        points = [point for labels, point in self.points.pairs() if labels.pairs]
        contrasts, note = self._contrasts([(point, points[0]) for point in points[1:]])
        outcome, p_value = judge_any(contrasts)
        measured_points = [(labels.pairs, point) for labels, point in self.points.pairs() if point.reason is None]
        if contrasts:
            peak = max(measured_points, key=lambda pair: sum(pair[1].scores.values()))[0]
            note = "; ".join(part for part in (note, f"best with {peak} pairs") if part)
        statement = "More preference pairs help, up to a number: some larger number beats the smallest (Figure 4)."
        return _claim("more_pairs_help", statement, outcome, p_value, contrasts, note)

    def _fewer_unhelpful_drafts(self) -> Claim:
        contrasts: list[Contrast] = []
        note = "no drafts were graded before and after alignment"
        if self.points.probe is not None:
            before, after = unhelpful_shares(self.points.probe.before), unhelpful_shares(self.points.probe.after)
            if before.keys() & after.keys():
                groups = {row.example_id: row.group for row in self.points.probe.before}
                contrasts = [contrast("unhelpful before", "unhelpful after", before, after, groups)]
                note = ""
        outcome, p_value = judge_all(contrasts)
        statement = "The aligned weak model writes fewer drafts that do not beat the strong model alone (section 3.5)."
        return _claim("fewer_unhelpful_drafts", statement, outcome, p_value, contrasts, note)

    def _contrasts(self, compared: Sequence[tuple[Measured, Measured]]) -> tuple[list[Contrast], str]:
        """The contrasts between rows that were measured, and a note that names the missing rows."""
        missing = {row.name for pair in compared for row in pair if row.reason is not None}
        contrasts = [
            contrast(a.name, b.name, a.scores, b.scores, a.groups)
            for a, b in compared
            if a.reason is None and b.reason is None
        ]
        return contrasts, f"not measured: {', '.join(sorted(missing))}" if missing else ""


def _claim(
    name: str, statement: str, outcome: ClaimOutcome, p_value: float | None, contrasts: Sequence[Contrast], note: str
) -> Claim:
    if not contrasts:
        note = note or "there is nothing to compare"
    return Claim(name=name, statement=statement, verdict=outcome, p_value=p_value, contrasts=list(contrasts), note=note)
