"""From the runs of a bench to bench.json: rows, sweeps, and the paper's claims with their verdicts."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cowest import statistics
from cowest.bench.cells import MAIN, OWN, PAPERS_KIND, Cell
from cowest.bench.measured import Measured, measured
from cowest.bench.verdicts import (
    INCONCLUSIVE,
    REPRODUCED,
    Claim,
    Contrast,
    Verdict,
    contrast,
    judge_all,
    judge_any,
    with_holm,
)
from cowest.recipe import Recipe
from cowest.types import GradedExample

SINGLES = ("weak_only", "weak_only_base", "strong_only", "strong_only_direct")


class Ran(Protocol):
    """How a cell ended."""

    folder: Path
    results: dict[str, Any]
    reason: str | None
    wall_s: float


@dataclass(frozen=True)
class Probe:
    """Graded drafts of the weak model on the same examples, before and after alignment."""

    before: Sequence[GradedExample]
    after: Sequence[GradedExample]


def summarise(
    recipe: Recipe, cells: Sequence[Cell], outcomes: Mapping[str, Ran], probe: Probe | None, num_pairs: int
) -> dict[str, Any]:
    """What bench.json holds.

    Args:
        num_pairs: preference pairs of the run's first round.
    """
    return _Bench(recipe, cells, outcomes, probe, num_pairs).summary()


def unhelpful_shares(graded: Iterable[GradedExample]) -> dict[str, float]:
    """By example: the share of its scored drafts with E(y*) <= E(z); examples without a scored draft are left out."""
    shares = {}
    for example in graded:
        gains = [draft.gain for draft in example.drafts if draft.gain is not None]
        if gains:
            shares[example.example_id] = sum(gain <= 0 for gain in gains) / len(gains)
    return shares


class _Bench:
    def __init__(
        self, recipe: Recipe, cells: Sequence[Cell], outcomes: Mapping[str, Ran], probe: Probe | None, num_pairs: int
    ) -> None:
        self.recipe = recipe
        self.cells = cells
        self.outcomes = outcomes
        self.probe = probe
        self.num_pairs = num_pairs
        own = self._results("method-collaborate")
        self.first_round = "collaborate_round_1" if "collaborate_round_1" in own.get("methods", {}) else "collaborate"

    def summary(self) -> dict[str, Any]:
        results = next((ran.results for ran in self.outcomes.values() if ran.results), {})
        rows = self.rows()
        sweeps = {
            "formats": self.formats(),
            "pairs": self.pairs(),
            "models": self.models(),
            "rounds": self.rounds(),
        }
        return {
            "run": self.recipe.run,
            "task": results.get("task"),
            "metric": results.get("metric"),
            "num_examples": results.get("num_examples"),
            "seed": self.recipe.seed,
            "rows": [row.as_dict() for row in rows.values()],
            "sweeps": {name: [labels | point.as_dict() for labels, point in points] for name, points in sweeps.items()},
            "unhelpful_share": self.shares(),
            "claims": [claim.model_dump(mode="json") for claim in with_holm(self.claims(rows))],
            "cells": {
                name: {"run": str(ran.folder), "reason": ran.reason, "wall_s": round(ran.wall_s, 1)}
                for name, ran in self.outcomes.items()
            },
        }

    def rows(self) -> dict[str, Measured]:
        """Table 1: every method, then each kind of feedback alone and with the strong model."""
        found: dict[str, Measured] = {}
        for cell in self.cells:
            if cell.purpose == "method":
                methods = list(self._results(cell.name).get("methods", {})) or [cell.value]
                for method in methods:
                    name = f"{PAPERS_KIND}_weak_only" if method == "weak_aligned" else method
                    found[name] = self._find(cell.name, method, name)
            if cell.purpose == "kind":
                for method, ending in (("weak_aligned", "weak_only"), ("collaborate", "collaborate")):
                    name = f"{cell.value}_{ending}"
                    found[name] = self._find(cell.name, method, name)
        return found

    def formats(self) -> list[tuple[dict[str, Any], Measured]]:
        """Figure 3: each format without and with one round of alignment."""
        runs_of = {self.recipe.format: "method-collaborate"}
        runs_of |= {cell.value: cell.name for cell in self.cells if cell.purpose == "format"}
        points = []
        for name, cell_name in runs_of.items():
            aligned = self.first_round if name == self.recipe.format else "collaborate"
            for is_aligned, method in ((False, "collaborate_sft"), (True, aligned)):
                label = f"{name}, {'aligned' if is_aligned else 'not aligned'}"
                points.append(({"format": name, "aligned": is_aligned}, self._find(cell_name, method, label)))
        return points

    def pairs(self) -> list[tuple[dict[str, Any], Measured]]:
        """Figure 4: from no pair to all of the first round's."""
        points = [({"pairs": 0}, self._find("method-collaborate", "collaborate_sft", "0 pairs"))]
        counts = sorted(int(cell.value) for cell in self.cells if cell.purpose == "pairs")
        points += [
            ({"pairs": count}, self._find(f"pairs-{count}", "collaborate", f"{count} pairs")) for count in counts
        ]
        if self.num_pairs:
            whole = self._find("method-collaborate", self.first_round, f"{self.num_pairs} pairs")
            points.append(({"pairs": self.num_pairs}, whole))
        return points

    def models(self) -> list[tuple[dict[str, Any], Measured]]:
        """Figure 5: every weak model with every strong one, and each alone; one round of alignment."""
        points = []
        pairs = [(OWN, OWN)]
        pairs += [tuple(cell.value.split(" ")) for cell in self.cells if cell.purpose == "models"]  # type: ignore[misc]
        for weak, strong in pairs:
            for row in ("weak_only", "strong_only", "collaborate_sft", "collaborate"):
                labels = {"weak": weak, "strong": strong, "row": row}
                points.append((labels, self._model_row(weak, strong, row)))
        return points

    def _model_row(self, weak: str, strong: str, row: str) -> Measured:
        name = f"{row} ({weak}, {strong})"
        if (weak, strong) != (OWN, OWN):
            return self._find(f"models-{weak}-{strong}", row, name)
        cell = {"collaborate_sft": "collaborate"}.get(row, row)
        return self._find(f"method-{cell}", self.first_round if row == "collaborate" else row, name)

    def rounds(self) -> list[tuple[dict[str, Any], Measured]]:
        """Beyond the paper: after each round of alignment."""
        names = [name for name in self._results("method-collaborate").get("methods", {}) if "_round_" in name]
        methods = ["collaborate_sft", *(names or [self.first_round])]
        return [
            ({"round": number}, self._find("method-collaborate", method, f"round {number}"))
            for number, method in enumerate(methods)
        ]

    def shares(self) -> dict[str, Any] | None:
        """Section 3.5: the share of drafts that do not beat the strong model alone, before and after alignment."""
        if self.probe is None:
            return None
        found: dict[str, Any] = {}
        for name, graded in (("before", self.probe.before), ("after", self.probe.after)):
            values = list(unhelpful_shares(graded).values())
            if values:
                interval = statistics.mean_interval(values, seed=self.recipe.seed)
                found[name] = {
                    "value": interval.value,
                    "ci95": [interval.low, interval.high],
                    "num_examples": len(values),
                }
        return found

    def claims(self, rows: Mapping[str, Measured]) -> list[Claim]:
        """The claims of section 4 and the prediction of section 3.5."""
        others = [row for name, row in rows.items() if name.endswith("_collaborate")]
        singles = [rows[name] for name in SINGLES if name in rows]
        formats = {(labels["format"], labels["aligned"]): point for labels, point in self.formats()}
        names = list(dict.fromkeys(name for name, _ in formats))
        aligned = [formats[name, True] for name in names if name != "chain_of_thought"]
        thought = formats.get(("chain_of_thought", True))
        pair = rows.get("collaborate") or self._find("method-collaborate", "collaborate", "collaborate")
        unaligned = self._find("method-collaborate", "collaborate_sft", "collaborate_sft")
        return [
            self._all(
                "collaboration_beats_each_alone",
                "The aligned pair does better than the weak and than the strong model alone (Table 1).",
                [(pair, single) for single in singles],
            ),
            self._all(
                "alignment_helps",
                "The pair does better with an aligned weak model than with one that is not aligned (Figure 3).",
                [(pair, unaligned)],
            ),
            self._all(
                "alignment_helps_in_every_format",
                "One round of alignment helps in every format of drafts (Figure 3).",
                [(formats[name, True], formats[name, False]) for name in names],
            ),
            self._all(
                "collaborative_feedback_beats_other_kinds",
                "Feedback on the collaboration aligns better than feedback that does not see it (Table 1).",
                [(pair, other) for other in others],
            ),
            self._all(
                "chain_of_thought_is_best",
                "Chain of thought is the best format of drafts, with alignment (Figure 3).",
                [] if thought is None else [(thought, other) for other in aligned],
            ),
            self._stronger(),
            self._more_pairs(),
            self._fewer_unhelpful(),
        ]

    def _all(self, name: str, statement: str, compared: Sequence[tuple[Measured, Measured]]) -> Claim:
        contrasts, note = self._contrasts(compared)
        verdict, p_value = judge_all(contrasts)
        if note and verdict == REPRODUCED:  # what failed could have spoken against it
            verdict = INCONCLUSIVE
        return _claim(name, statement, verdict, p_value, contrasts, note)

    def _stronger(self) -> Claim:
        points = {(labels["weak"], labels["strong"], labels["row"]): point for labels, point in self.models()}
        strong = list(dict.fromkeys(key[1] for key in points if key[0] == OWN))
        compared = []
        for one, other in itertools.permutations(strong, 2):
            alone, _ = self._contrasts([(points[OWN, one, "strong_only"], points[OWN, other, "strong_only"])])
            if judge_all(alone)[0] == REPRODUCED:
                compared.append((points[OWN, one, "collaborate"], points[OWN, other, "collaborate"]))
        statement = "With the same weak model, the strong model that is better alone gains more over it (Figure 5)."
        claim = self._all("more_capable_strong_model_gains_more", statement, compared)
        if compared:
            return claim
        why = "no two strong models were measured" if len(strong) < 2 else "none is measurably better alone"
        return claim.model_copy(update={"note": f"{why}, so none counts as more capable"})

    def _more_pairs(self) -> Claim:
        points = [point for labels, point in self.pairs() if labels["pairs"] > 0]
        contrasts, note = self._contrasts([(point, points[0]) for point in points[1:]])
        verdict, p_value = judge_any(contrasts)
        measured_ones = [(labels["pairs"], point) for labels, point in self.pairs() if point.reason is None]
        if contrasts:
            peak = max(measured_ones, key=lambda pair: sum(pair[1].scores.values()))[0]
            note = "; ".join(part for part in (note, f"best with {peak} pairs") if part)
        statement = "More preference pairs help, up to a number: some larger number beats the smallest (Figure 4)."
        return _claim("more_pairs_help", statement, verdict, p_value, contrasts, note)

    def _fewer_unhelpful(self) -> Claim:
        contrasts: list[Contrast] = []
        note = "no drafts were graded before and after alignment"
        if self.probe is not None:
            before, after = unhelpful_shares(self.probe.before), unhelpful_shares(self.probe.after)
            if before.keys() & after.keys():
                contrasts = [contrast("unhelpful before", "unhelpful after", before, after, self.recipe.seed)]
                note = ""
        verdict, p_value = judge_all(contrasts)
        statement = "The aligned weak model writes fewer drafts that do not beat the strong model alone (section 3.5)."
        return _claim("fewer_unhelpful_drafts", statement, verdict, p_value, contrasts, note)

    def _contrasts(self, compared: Sequence[tuple[Measured, Measured]]) -> tuple[list[Contrast], str]:
        """The contrasts that can be had, and a note of the rows that are missing."""
        missing = {row.name for pair in compared for row in pair if row.reason is not None}
        contrasts = [
            contrast(a.name, b.name, a.scores, b.scores, self.recipe.seed)
            for a, b in compared
            if a.reason is None and b.reason is None
        ]
        return contrasts, f"not measured: {', '.join(sorted(missing))}" if missing else ""

    def _results(self, cell: str) -> dict[str, Any]:
        return self.outcomes[cell].results if cell in self.outcomes else {}

    def _find(self, cell: str, method: str, name: str) -> Measured:
        ran = self.outcomes.get(cell)
        if ran is None:
            return Measured(name, Path(self.recipe.run), method, reason="it was not run")
        own = self.outcomes.get(MAIN)
        reason = ran.reason or (own.reason if own is not None else None)
        return measured(name, ran.folder, method, ran.results, reason)


def _claim(
    name: str, statement: str, verdict: Verdict, p_value: float | None, contrasts: Sequence[Contrast], note: str
) -> Claim:
    if not contrasts:
        note = note or "there is nothing to compare"
    return Claim(
        name=name, statement=statement, verdict=verdict, p_value=p_value, contrasts=tuple(contrasts), note=note
    )
