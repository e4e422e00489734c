"""The measurements of a bench with all its seeds: each row and point of the first seed with its repeats."""

from collections.abc import Mapping, Sequence

from cowest import statistics
from cowest.bench.measured import Measured, in_all, interval_over_seeds, with_repeats
from cowest.bench.outcomes import SeedRun
from cowest.bench.points import BenchPoints, Points, unhelpful_shares
from cowest.records import GradedExample, ShareOfDrafts


class BenchMeasurements:
    """What was measured, over seeds where there are several.

    Attributes:
        rows: the table, by name.
        formats, pairs, models, rounds, equal_pairs, calls: the sweeps.
        unhelpful_by_seed: "before" and "after" alignment: the share of drafts that do not help, by seed and example.
        groups_of_probe: by example of the probe, its group.
    """

    def __init__(self, runs: Sequence[SeedRun]) -> None:
        first = BenchPoints(runs[0])
        self.first = first
        self._points = [first, *(BenchPoints(run, first.num_pairs) for run in runs[1:])]
        self.rows = _merged_rows([points.rows() for points in self._points])
        self.formats = _merged([points.formats() for points in self._points])
        self.pairs = _merged([points.pairs() for points in self._points])
        self.models = _merged([points.models() for points in self._points])
        self.rounds = _merged([points.rounds() for points in self._points])
        self.equal_pairs = _merged([points.equal_pairs() for points in self._points])
        self.calls = _merged([points.calls() for points in self._points])
        probes = {run.recipe.seed: run.probe for run in runs if run.probe is not None}
        graded = {
            "before": {seed: probe.before for seed, probe in probes.items()},
            "after": {seed: probe.after for seed, probe in probes.items()},
        }
        self.groups_of_probe = {row.example_id: row.group for probe in probes.values() for row in probe.before}
        self.unhelpful_by_seed = {name: _shares(by_seed) for name, by_seed in graded.items()}

    def unhelpful(self) -> dict[str, ShareOfDrafts] | None:
        """Section 3.5: the share of drafts that do not beat the strong model alone, before and after alignment."""
        if not self.groups_of_probe:
            return None
        shares: dict[str, ShareOfDrafts] = {}
        for name, by_seed in self.unhelpful_by_seed.items():
            if by_seed and (ids := in_all(by_seed.values())):
                interval = interval_over_seeds(by_seed, self.groups_of_probe)
                shares[name] = ShareOfDrafts(
                    value=interval.value,
                    ci95=(interval.low, interval.high),
                    num_examples=len(ids),
                    num_groups=statistics.count_groups([self.groups_of_probe.get(each) for each in ids]),
                )
        return shares


def _shares(graded: Mapping[int, Sequence[GradedExample]]) -> dict[int, dict[str, float]]:
    found = {seed: unhelpful_shares(rows) for seed, rows in graded.items()}
    return {seed: shares for seed, shares in found.items() if shares}


def _merged_rows(by_seed: Sequence[dict[str, Measured]]) -> dict[str, Measured]:
    first, *others = by_seed
    return {name: with_repeats(row, [each.get(name) for each in others]) for name, row in first.items()}


def _merged(by_seed: Sequence[Points]) -> Points:
    first, *others = by_seed
    named = [{point.name: point for _, point in points} for points in others]
    return [(labels, with_repeats(point, [each.get(point.name) for each in named])) for labels, point in first]
