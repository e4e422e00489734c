"""The estimate of a bench: its cells rehearsed in their order, where a call that an earlier cell makes is free."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from cowest import runs
from cowest.bench.cells import MAIN, Cell, make_cells, make_pairs_cells, sft_key
from cowest.errors import CowestError, InputError
from cowest.pipeline import RLWF, Pipeline
from cowest.planning.assumptions import HIGH, LOW, latency_s
from cowest.planning.cells import Part, Rehearsal, is_gathered
from cowest.planning.data import Data
from cowest.planning.endpoints import endpoint_problems
from cowest.planning.kept import KeptReplies, open_ledger
from cowest.planning.spend import Spend, add, cost_of, span, wall_s
from cowest.planning.stages import configs_of
from cowest.planning.tally import Tally
from cowest.recipe import Recipe
from cowest.training.trained import DONE_MARKER

UNNAMED = ("pairs-quarter", "pairs-half")
"""Cells of the sweep over pairs whose numbers are known once the first round is done."""


class CellCase(BaseModel):
    """What a cell takes in one case, beyond what the cells before it and the ledger have paid for; as in `Case`."""

    roles: dict[str, Spend]
    cost_usd: float | None
    wall_s: float


class CellPlan(BaseModel):
    """A cell.

    Attributes:
        reason: why it cannot run; None where nothing is known to stand in its way.
        num_trainings: SFT, alignments and annotators that are still to be trained in it.
        low, high: the least and the most that is left for it. The more the cells before it have called, the less that
            is, so that these do not add up to the bounds of the whole.
    """

    name: str
    reason: str | None
    num_trainings: int
    low: CellCase
    high: CellCase


class BenchPlan(BaseModel):
    """What `cowest bench` will take from here on.

    Attributes:
        cells: in the order in which they run, the recipe's own run first.
        low, high: of all cells.
        measured, tokens_from, budgets_usd, batched, endpoint_problems: as in `Plan`.
        not_looked_for: by role, why replies in the ledger could not be looked for and count as still to be paid.
    """

    run: str
    cells: list[CellPlan]
    low: CellCase
    high: CellCase
    num_queries: int
    num_evaluated: int
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
    if recipe.weak.provider != "local":
        raise InputError(
            f"A bench trains the weak model, but weak.model is {recipe.weak.model!r}. Give local/FOLDER, or plan the "
            "recipe alone, without --bench."
        )
    cells = make_cells(recipe)
    for cell in (None, *cells):
        Pipeline(cell.recipe if cell else recipe).check_names()
    with open_ledger(recipe) as ledger:
        return _Planner(recipe, cells, KeptReplies(ledger, recipe.seed)).plan()


class _Planner:
    def __init__(self, recipe: Recipe, cells: Sequence[Cell], kept: KeptReplies) -> None:
        self.recipe = recipe
        self.kept = kept
        main = Part(MAIN, recipe, trains=True, is_main=True)
        self.parts = [main, *(Part(cell.name, cell.recipe, cell.trains) for cell in cells)]
        self.data = Data.of(Pipeline(recipe))
        self.trained = _trained_sft(self.parts)
        self.rehearsal = Rehearsal(main, self.data, self.trained, kept)
        self.reasons: dict[str, str] = {}

    def plan(self) -> BenchPlan:
        recipe, configs = self.recipe, configs_of(self.recipe)
        fewer, more = self._sweep_over_pairs()
        low, high = self._cases(LOW, [*self.parts, *fewer]), self._cases(HIGH, [*self.parts, *more])
        further = {
            f"bench.{role}.{name}": config
            for role, some in (("weak", recipe.bench.weak), ("strong", recipe.bench.strong))
            for name, config in some.items()
        }
        trained = set(self.trained)
        return BenchPlan(
            run=recipe.run,
            cells=[
                CellPlan(
                    name=part.name,
                    reason=self.reasons.get(part.name),
                    num_trainings=self._num_trainings(part, trained),
                    low=least,
                    high=most,
                )
                for part in (*self.parts, *more)
                for least, most in [_bounds(low.get(part.name) or _sum([]), high[part.name])]
            ],
            low=_sum(low.values()),
            high=_sum(high.values()),
            num_queries=min(recipe.feedback.queries, len(self.data.pool)),
            num_evaluated=len(self.data.evaluated),
            measured=self.rehearsal.measured,
            tokens_from={role: self.rehearsal.counter(config).how for role, config in configs.items()},
            budgets_usd={role: config.budget_usd for role, config in configs.items() if config.budget_usd is not None},
            batched=[role for role, config in configs.items() if config.batch],
            endpoint_problems=endpoint_problems(configs | further),
            not_looked_for=self.kept.unknown,
        )

    def _sweep_over_pairs(self) -> tuple[list[Part], list[Part]]:
        """The fewest and the most cells of the sweep, whose number depends on what the first round gives."""
        counts = [self.rehearsal.num_pairs(case) for case in (LOW, HIGH)]
        named, is_known = self.recipe.bench.pairs, is_gathered(self.recipe, 1)
        most = max(counts) if named is None or is_known else max(named) + 1
        found = []
        for count in (min(counts), most):
            cells = make_pairs_cells(self.recipe, count)
            names = [cell.name for cell in cells] if named is not None or is_known else UNNAMED[-len(cells) :]
            found.append([Part(name, cell.recipe, trains=True) for name, cell in zip(names, cells, strict=False)])
        return found[0], found[1]

    def _cases(self, case: str, parts: Sequence[Part]) -> dict[str, CellCase]:
        """What each cell takes, one after the other, as they share what is paid."""
        tally, found = Tally(), dict[str, CellCase]()
        for part in parts:
            configs = configs_of(part.recipe)
            try:
                roles = add(self.rehearsal.spends(part, case, tally))
            except Exception as error:  # as in the bench, where whatever a library raises costs one row
                if part.is_main:
                    raise
                reason = str(error) if isinstance(error, CowestError) else f"{type(error).__name__}: {error}"
                self.reasons[part.name] = reason
                roles = {}
                tally.take(configs)
            seconds = wall_s(roles, configs, latency_s(case))
            found[part.name] = CellCase(roles=roles, cost_usd=cost_of(roles), wall_s=seconds)
        return found

    def _num_trainings(self, part: Part, trained: set[str]) -> int:
        """Trainings that are not done and that no cell before has; `trained` grows by the cell's SFT."""
        if not part.trains or part.name in self.reasons:
            return 0
        recipe, folder = part.recipe, runs.RunFolder(part.recipe.run)
        is_new = sft_key(recipe) not in trained and recipe.sft.from_ is None
        trained.add(sft_key(recipe))
        wanted = [folder.align(number) for number in range(1, recipe.rounds + 1)]
        wanted += [folder.annotator] if recipe.feedback.kind == RLWF else []
        return is_new + sum(not (each / DONE_MARKER).is_file() for each in wanted)


def _trained_sft(parts: Iterable[Part]) -> dict[str, Path]:
    """Folders of finished SFT by what decides them."""
    found: dict[str, Path] = {}
    for part in parts:
        folder = runs.RunFolder(part.recipe.run).sft
        if part.trains and (folder / DONE_MARKER).is_file():
            found.setdefault(sft_key(part.recipe), folder)
    return found


def _bounds(a: CellCase, b: CellCase) -> tuple[CellCase, CellCase]:
    low, high = (
        CellCase(roles=roles, cost_usd=cost_of(roles), wall_s=seconds)
        for roles, seconds in zip(span(a.roles, b.roles), sorted([a.wall_s, b.wall_s]), strict=True)
    )
    return low, high


def _sum(cases: Iterable[CellCase]) -> CellCase:
    some = list(cases)
    roles = add(each.roles for each in some)
    return CellCase(roles=roles, cost_usd=cost_of(roles), wall_s=sum(each.wall_s for each in some))
