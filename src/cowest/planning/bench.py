"""The estimate of a bench: its cells are rehearsed in order, and a call that an earlier cell makes is free."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from cowest import runs
from cowest.bench.cells import MAIN, Cell, make_cells, make_pairs_cells, sft_key
from cowest.errors import CowestError, InputError
from cowest.pipeline import RLWF, Pipeline
from cowest.planning.assumptions import HIGH, LOW, latency_s
from cowest.planning.cells import CellToPlan, Rehearsal, is_feedback_done
from cowest.planning.data import RunExamples
from cowest.planning.endpoints import endpoint_problems
from cowest.planning.paid_replies import PaidReplies, open_ledger
from cowest.planning.spend import Spend, cost_of, span, sum_by_role, wall_s
from cowest.planning.stages import configs_of
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
        cells: in the order in which they run, the recipe's own run first.
        low, high: of all cells.
        measured, tokens_from, budgets_usd, batched, endpoint_problems: as in `Plan`.
        not_looked_for: by role, why replies could not be looked up in the ledger, so that they count as still to pay.
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
        return _Planner(recipe, cells, PaidReplies(ledger, recipe.seed)).plan()


class _Planner:
    def __init__(self, recipe: Recipe, cells: Sequence[Cell], paid: PaidReplies) -> None:
        self.recipe = recipe
        self.paid = paid
        main = CellToPlan(MAIN, recipe, trains=True, is_main=True)
        self.cells = [main, *(CellToPlan(cell.name, cell.recipe, cell.trains) for cell in cells)]
        self.examples = RunExamples.of(Pipeline(recipe))
        self.trained_sft = _find_trained_sft(self.cells)
        self.rehearsal = Rehearsal(main, self.examples, self.trained_sft, paid)
        self.reasons: dict[str, str] = {}

    def plan(self) -> BenchPlan:
        recipe, configs = self.recipe, configs_of(self.recipe)
        fewer, more = self._sweep_over_pairs()
        low, high = self._cases(LOW, [*self.cells, *fewer]), self._cases(HIGH, [*self.cells, *more])
        further_models = {
            f"bench.{role}.{name}": config
            for role, models in (("weak", recipe.bench.weak), ("strong", recipe.bench.strong))
            for name, config in models.items()
        }
        trained = set(self.trained_sft)
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
                for cell in (*self.cells, *more)
                for low_case, high_case in [_bounds(low.get(cell.name) or _sum([]), high[cell.name])]
            ],
            low=_sum(low.values()),
            high=_sum(high.values()),
            num_queries=min(recipe.feedback.queries, len(self.examples.pool)),
            num_evaluated=len(self.examples.evaluated),
            measured=self.rehearsal.measured,
            tokens_from={role: self.rehearsal.counter(config).how for role, config in configs.items()},
            budgets_usd={role: config.budget_usd for role, config in configs.items() if config.budget_usd is not None},
            batched=[role for role, config in configs.items() if config.batch],
            endpoint_problems=endpoint_problems(configs | further_models),
            not_looked_for=self.paid.unknown,
        )

    def _sweep_over_pairs(self) -> tuple[list[CellToPlan], list[CellToPlan]]:
        """The fewest and the most cells of the sweep, whose number depends on the pairs of the first round."""
        counts = [self.rehearsal.num_pairs(case) for case in (LOW, HIGH)]
        named, is_known = self.recipe.bench.pairs, is_feedback_done(self.recipe, 1)
        most = max(counts) if named is None or is_known else max(named, default=0) + 1
        sweeps = []
        for count in (min(counts), most):
            cells = make_pairs_cells(self.recipe, count)
            names = [cell.name for cell in cells] if named is not None or is_known else PLACEHOLDER_NAMES[-len(cells) :]
            sweeps.append(
                [CellToPlan(name, cell.recipe, trains=True) for name, cell in zip(names, cells, strict=False)]
            )
        return sweeps[0], sweeps[1]

    def _cases(self, case: str, cells: Sequence[CellToPlan]) -> dict[str, CellCase]:
        """The spend of each cell in order; later cells share the calls of earlier ones."""
        tally, cases = Tally(), dict[str, CellCase]()
        for cell in cells:
            configs = configs_of(cell.recipe)
            try:
                roles = sum_by_role(self.rehearsal.spends(cell, case, tally))
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
