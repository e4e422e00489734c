"""The estimate of a bench: its cells are rehearsed in order, and a call that an earlier cell makes is free."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from cowest import runs
from cowest.bench.cell import Cell
from cowest.bench.cells import (
    MAIN,
    PAPERS_KIND,
    make_cells,
    make_equal_cells,
    make_pairs_cells,
    require_trainable,
    sft_key,
)
from cowest.bench.seeds import cells_of_seed, recipes_of_seeds
from cowest.errors import CowestError
from cowest.ledger import Ledger
from cowest.pipeline import RLWF, Pipeline
from cowest.planning.assumptions import HIGH, LOW, latency_s
from cowest.planning.cells import CellToPlan, Rehearsal, SeedToPlan, is_feedback_done
from cowest.planning.data import RunExamples
from cowest.planning.endpoints import endpoint_problems
from cowest.planning.paid_replies import PaidReplies, open_ledger
from cowest.planning.power import Power, power_of_bench
from cowest.planning.roles import configs_of
from cowest.planning.spend import Spend, cost_of, span, sum_by_role, wall_s
from cowest.planning.tally import Tally
from cowest.recipe import Recipe
from cowest.training.trained import DONE_MARKER

PLACEHOLDER_NAMES = ("pairs-quarter", "pairs-half")
"""Names in the sweep over pairs until the first round is done and the numbers are known."""


class CellCase(BaseModel):
    """The spend of a cell in one case, without calls paid for already; fields as in `Case`."""

    roles: dict[str, Spend]
    cost_usd: float | None
    wall_s: float


class CellPlan(BaseModel):
    """The estimate of one cell.

    Attributes:
        reason: why it cannot run; None where no problem is known.
        num_trainings: SFT, alignments and annotators still to be trained in it.
        low, high: bounds of its remaining spend. The more calls earlier cells make, the fewer remain, so these do not
            add up to the bounds of the whole bench.
    """

    name: str
    reason: str | None
    num_trainings: int
    low: CellCase
    high: CellCase


class BenchPlan(BaseModel):
    """The remaining spend of `cowest bench`.

    Attributes:
        cells: in the order in which they run, the recipe's own run first; those of further seeds begin with the seed.
        low, high: of all cells.
        power: which difference the evaluation can show, with one seed.
        measured, tokens_from, budgets_usd, batched, endpoint_problems: as in `Plan`.
        not_looked_for: by role, why replies could not be looked up in the ledger, so that they count as still to pay.
    """

    run: str
    cells: list[CellPlan]
    low: CellCase
    high: CellCase
    num_seeds: int
    num_queries: int
    num_evaluated: int
    power: Power
    measured: dict[str, float]
    tokens_from: dict[str, str]
    budgets_usd: dict[str, float]
    batched: list[str]
    endpoint_problems: dict[str, str]
    not_looked_for: dict[str, str]


def make_bench_plan(recipe: Recipe) -> BenchPlan:
    """Estimates a bench without training, opening an endpoint or sending a request.

    Raises:
        InputError: the recipe, its data or the recipe of a cell cannot be used.
    """
    require_trainable(recipe)
    cells = make_cells(recipe)
    for cell in (None, *cells):
        Pipeline(cell.recipe if cell else recipe).check_names()
    with open_ledger(recipe) as ledger:
        return _Planner(recipe, cells, ledger).plan()


class _Planner:
    def __init__(self, recipe: Recipe, cells: Sequence[Cell], ledger: Ledger | None) -> None:
        self.recipe = recipe
        self.seeds: list[SeedToPlan] = []
        self.trained_sft: dict[str, Path] = {}
        self.paid: list[PaidReplies] = []
        self.reasons: dict[str, str] = {}
        self._add_seed(recipe, cells, ledger)
        for seed_recipe in recipes_of_seeds(recipe):
            self._add_seed(seed_recipe, cells_of_seed(seed_recipe), ledger)
        self.examples = self.seeds[0].rehearsal.examples

    def _add_seed(self, recipe: Recipe, cells: Sequence[Cell], ledger: Ledger | None) -> None:
        is_first = not self.seeds
        name = MAIN if is_first else f"seed-{recipe.seed}"
        prefix = "" if is_first else f"{name}/"
        main = CellToPlan(name, recipe, trains=True, is_main=True)
        to_plan = [main, *(CellToPlan(prefix + cell.name, cell.recipe, cell.trains) for cell in cells)]
        self.trained_sft |= _find_trained_sft(to_plan)
        self.paid.append(PaidReplies(ledger, recipe.seed))
        rehearsal = Rehearsal(main, RunExamples.of(Pipeline(recipe)), self.trained_sft, self.paid[-1])
        if not is_first:  # what the first seed measured is the best guess until this one has
            rehearsal.measured = self.seeds[0].rehearsal.measured | rehearsal.measured
        self.seeds.append(SeedToPlan(recipe, prefix, to_plan, rehearsal))

    def plan(self) -> BenchPlan:
        recipe, configs = self.recipe, configs_of(self.recipe)
        fewer, more = zip(*map(self._last_cells, self.seeds), strict=True)
        low, high = self._cases(LOW, fewer), self._cases(HIGH, more)
        further_models = {
            f"bench.{role}.{name}": config
            for role, models in (("weak", recipe.bench.weak), ("strong", recipe.bench.strong))
            for name, config in models.items()
        }
        trained, first = set(self.trained_sft), self.seeds[0].rehearsal
        return BenchPlan(
            run=recipe.run,
            cells=[
                CellPlan(
                    name=cell.name,
                    reason=self.reasons.get(cell.name),
                    num_trainings=self._num_trainings(cell, trained),
                    low=low_case,
                    high=high_case,
                )
                for seed, last in zip(self.seeds, more, strict=True)
                for cell in (*seed.cells, *last)
                for low_case, high_case in [_bounds(low.get(cell.name) or _sum([]), high[cell.name])]
            ],
            low=_sum(low.values()),
            high=_sum(high.values()),
            num_seeds=len(self.seeds),
            num_queries=min(recipe.feedback.queries, len(self.examples.pool)),
            num_evaluated=len(self.examples.evaluated),
            power=power_of_bench(Pipeline(recipe), self.examples.evaluated),
            measured=first.measured,
            tokens_from={role: first.counter(config).how for role, config in configs.items()},
            budgets_usd={role: config.budget_usd for role, config in configs.items() if config.budget_usd is not None},
            batched=[role for role, config in configs.items() if config.batch],
            endpoint_problems=endpoint_problems(configs | further_models),
            not_looked_for={role: reason for paid in self.paid for role, reason in paid.unknown.items()},
        )

    def _last_cells(self, seed: SeedToPlan) -> tuple[list[CellToPlan], list[CellToPlan]]:
        """The fewest and the most of the cells that depend on the numbers of pairs of the first round."""
        counts = [seed.rehearsal.num_pairs(case) for case in (LOW, HIGH)]
        named, is_known = seed.recipe.bench.pairs, is_feedback_done(seed.recipe, 1)
        most = max(counts) if named is None or is_known else max(named, default=0) + 1
        equal = [seed.named(cell) for cell in make_equal_cells(seed.recipe, self._pairs_by_kind(seed))]
        sweeps = []
        for count in (min(counts), most):
            cells = make_pairs_cells(seed.recipe, count)
            names = [cell.name for cell in cells] if named is not None or is_known else PLACEHOLDER_NAMES[-len(cells) :]
            sweeps.append([*(seed.named(cell, name) for name, cell in zip(names, cells, strict=False)), *equal])
        return sweeps[0], sweeps[1]

    def _pairs_by_kind(self, seed: SeedToPlan) -> dict[str, int]:
        """Preference pairs of the first round by kind, known or expected; without kinds that cannot work."""
        main, *cells = seed.cells
        by_kind = {PAPERS_KIND: main} | {
            kind: cell
            for cell in cells
            if cell.trains and (kind := cell.recipe.feedback.kind) in {*seed.recipe.bench.kinds} - {PAPERS_KIND}
        }
        counts = {}
        for kind, cell in by_kind.items():
            with contextlib.suppress(Exception):  # the cell itself says why
                counts[kind] = seed.rehearsal.num_pairs(HIGH, cell)
        if all(is_feedback_done(cell.recipe, 1) for cell in by_kind.values()):
            return counts
        # Until the numbers are known, all kinds but one are expected to have more than the fewest.
        fewest = min(counts, key=lambda kind: counts[kind])
        least = max(1, counts[fewest])
        return {kind: least if kind == fewest else max(count, least + 1) for kind, count in counts.items()}

    def _cases(self, case: str, last: Sequence[Sequence[CellToPlan]]) -> dict[str, CellCase]:
        """The spend of each cell in order; later cells share the calls of earlier ones."""
        tally, cases = Tally(), dict[str, CellCase]()
        for seed, last_cells in zip(self.seeds, last, strict=True):
            for cell in (*seed.cells, *last_cells):
                configs = configs_of(cell.recipe)
                try:
                    roles = sum_by_role(seed.rehearsal.spends(cell, case, tally))
                except Exception as error:  # as in the bench, where an error of any library costs one row
                    if cell.is_main:
                        raise
                    reason = str(error) if isinstance(error, CowestError) else f"{type(error).__name__}: {error}"
                    self.reasons[cell.name] = reason
                    roles = {}
                    tally.take(configs)
                seconds = wall_s(roles, configs, latency_s(case))
                cases[cell.name] = CellCase(roles=roles, cost_usd=cost_of(roles), wall_s=seconds)
        return cases

    def _num_trainings(self, cell: CellToPlan, trained: set[str]) -> int:
        """Trainings still to do that no earlier cell does; adds the cell's SFT to `trained`."""
        if not cell.trains or cell.name in self.reasons:
            return 0
        recipe, folder = cell.recipe, runs.RunFolder(cell.recipe.run)
        is_new = sft_key(recipe) not in trained and recipe.sft.from_ is None
        trained.add(sft_key(recipe))
        trainings = [folder.align(number) for number in range(1, recipe.rounds + 1)]
        trainings += [folder.annotator] if recipe.feedback.kind == RLWF else []
        return is_new + sum(not (training / DONE_MARKER).is_file() for training in trainings)


def _find_trained_sft(cells: Iterable[CellToPlan]) -> dict[str, Path]:
    """Folders of finished SFT, by `sft_key`."""
    folders: dict[str, Path] = {}
    for cell in cells:
        folder = runs.RunFolder(cell.recipe.run).sft
        if cell.trains and (folder / DONE_MARKER).is_file():
            folders.setdefault(sft_key(cell.recipe), folder)
    return folders


def _bounds(a: CellCase, b: CellCase) -> tuple[CellCase, CellCase]:
    low, high = (
        CellCase(roles=roles, cost_usd=cost_of(roles), wall_s=seconds)
        for roles, seconds in zip(span(a.roles, b.roles), sorted([a.wall_s, b.wall_s]), strict=True)
    )
    return low, high


def _sum(cases: Iterable[CellCase]) -> CellCase:
    listed = list(cases)
    roles = sum_by_role(case.roles for case in listed)
    return CellCase(roles=roles, cost_usd=cost_of(roles), wall_s=sum(case.wall_s for case in listed))
