"""The rehearsal of a bench's cells: their stages in order, with models named so that shared calls coincide."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cowest import runs
from cowest.bench.cell import Cell
from cowest.bench.cells import sft_key
from cowest.method_names import weak_stage
from cowest.models import ModelConfig
from cowest.models.tokens import TokenCounter
from cowest.pipeline import PROBE, RLWF, Pipeline
from cowest.planning.assumptions import LOW, assume, feedback_config_for, measured_so_far
from cowest.planning.data import RunExamples
from cowest.planning.paid_replies import PaidReplies
from cowest.planning.rehearsal import Assumptions, ReplyLookup
from cowest.planning.roles import configs_of
from cowest.planning.spend import Spend
from cowest.planning.stages import Stages
from cowest.planning.tally import Tally
from cowest.recipe import Recipe
from cowest.stages.queries import draw
from cowest.training.trained import DONE_MARKER, TrainedModel
from cowest.types import Example

IDENTICAL_SHARE = 0.25
"""Share of drafts that the low case assumes to be word for word the same in two stages of the weak model."""


@dataclass(frozen=True)
class CellToPlan:
    """A cell to rehearse.

    Attributes:
        name: of its row.
        trains: whether it gathers feedback and aligns.
        is_main: whether it is the recipe's own run, whose drafts are probed and which is not evaluated.
    """

    name: str
    recipe: Recipe
    trains: bool
    is_main: bool = False


class Rehearsal:
    """Rehearses the cells of one bench.

    Args:
        main: the recipe's own run.
        examples: those that all cells work on.
        trained: folders of finished SFT by `sft_key`.
        paid: the replies in the ledger.
    """

    def __init__(self, main: CellToPlan, examples: RunExamples, trained: Mapping[str, Path], paid: PaidReplies) -> None:
        self.main = main
        self.examples = examples
        self.measured = measured_so_far(Pipeline(main.recipe))
        self._trained = trained
        self._paid = paid
        self._counters: dict[str, TokenCounter] = {}
        self._targets: dict[str, list[int]] = {}
        self._to_explain: dict[str, Sequence[Example]] = {}

    def spends(self, cell: CellToPlan, case: str, tally: Tally) -> Iterator[dict[str, Spend]]:
        """The spend of each stage of a cell, without calls that `tally` has counted before."""
        recipe, stages = cell.recipe, self._stages(cell)
        assumptions, config = self._assumptions(case, stages), feedback_config_for(case, recipe.feedback)
        if cell.trains and sft_key(recipe) not in self._trained:
            yield stages.explanations(assumptions, self._rows_to_explain(stages), tally)
        if cell.trains and config.kind == RLWF:
            labelled = draw(self.examples.labelled, config.queries, recipe.seed, round_number=0)
            yield stages.annotator(assumptions, labelled, tally)
        for number in range(1, recipe.rounds + 1) if cell.trains else ():
            queries = draw(self.examples.pool, config.queries, recipe.seed, number)
            before = weak_stage(number - 1)
            spends, num_rows = stages.feedback(assumptions, queries, tally, config, before)
            yield {} if is_feedback_done(recipe, number) else spends
            yield stages.align(assumptions, num_rows, queries, tally, before)
        if not cell.is_main:
            yield stages.evaluate(assumptions, self.examples.evaluated, tally)
            return
        probed = self.examples.evaluated[: recipe.bench.probe]
        for stage in ("sft", weak_stage(recipe.rounds)) if probed else ():
            yield stages.feedback(assumptions, probed, tally, config.model_copy(update=PROBE), stage)[0]

    def _rows_to_explain(self, stages: Stages) -> Sequence[Example]:
        name = f"{stages.recipe.format} {stages.recipe.weak.provider}"
        if name not in self._to_explain:  # this reads every labelled row
            self._to_explain[name] = stages.to_explain(self.examples.labelled)
        return self._to_explain[name]

    def num_pairs(self, case: str, cell: CellToPlan | None = None) -> int:
        """Preference pairs from the first round of a cell; by default of the recipe's own run."""
        cell = cell or self.main
        recipe = cell.recipe
        if is_feedback_done(recipe, 1):
            return sum(1 for _ in runs.read_jsonl(runs.RunFolder(recipe.run).feedback(1) / "pairs.jsonl"))
        stages, config = self._stages(cell), feedback_config_for(case, recipe.feedback)
        queries = draw(self.examples.pool, config.queries, recipe.seed)
        _, num_pairs = stages.feedback(self._assumptions(case, stages), queries, Tally(), config)
        return num_pairs if config.max_pairs is None else min(num_pairs, config.max_pairs)

    def counter(self, config: ModelConfig) -> TokenCounter:
        """The token counter of a model, shared by all cells."""
        key = f"{config.model} {config.base_url}"
        if key not in self._counters:
            self._counters[key] = TokenCounter(config)
        return self._counters[key]

    def weak_names(self, cell: CellToPlan) -> dict[str, str]:
        """A name for each stage of the weak model of a cell, the same where the model is."""
        weak, owner = cell.recipe.weak, self._owner(cell)
        names = {
            "base": f"{weak.model} {weak.chat_template}",
            "sft": f"sft {hashlib.sha256(sft_key(cell.recipe).encode()).hexdigest()}",
        }
        return names | {weak_stage(number): f"{owner.name} {number}" for number in range(1, cell.recipe.rounds + 1)}

    def _owner(self, cell: CellToPlan) -> CellToPlan:
        # A cell that does not train uses the main run's models; equal SFT is shared between cells.
        return cell if cell.trains else self.main

    def _stages(self, cell: CellToPlan) -> Stages:
        owner = self._owner(cell)
        folder, configs, key = runs.RunFolder(owner.recipe.run), configs_of(cell.recipe), sft_key(cell.recipe)
        trained = {weak_stage(number): folder.align(number) for number in range(1, cell.recipe.rounds + 1)}
        if key in self._trained:
            trained["sft"] = self._trained[key]

        def lookup_for(role: str, stage: str) -> ReplyLookup | None:
            config = configs[role]
            if role == "weak" and stage != "base":
                if stage not in trained or not (trained[stage] / DONE_MARKER).is_file():
                    return None
                config = config.model_copy(update={"model": TrainedModel.read(trained[stage]).model})
            return self._paid.lookup(role, config)

        counters = {role: self.counter(config) for role, config in configs.items()}
        return Stages(Pipeline(cell.recipe), counters, self.weak_names(cell), lookup_for)

    def _assumptions(self, case: str, stages: Stages) -> Assumptions:
        measured = self.measured | measured_so_far(stages.pipeline)
        key = f"{stages.recipe.format} {stages.recipe.weak.model} {stages.recipe.sft.from_}"
        if key not in self._targets:  # this reads every labelled row
            self._targets[key] = stages.target_tokens(self.examples.labelled)
        assumptions = assume(case, stages.recipe, measured, self._targets[key])
        return replace(assumptions, identical_drafts=IDENTICAL_SHARE) if case == LOW else assumptions


def is_feedback_done(recipe: Recipe, number: int) -> bool:
    """Whether the feedback of a round is finished, so that it costs nothing more."""
    return (runs.RunFolder(recipe.run).feedback(number) / "summary.json").is_file()


@dataclass(frozen=True)
class SeedToPlan:
    """One seed of a bench to rehearse.

    Attributes:
        prefix: of its cells' names; empty for the first seed.
        cells: the run itself and its cells.
    """

    recipe: Recipe
    prefix: str
    cells: Sequence[CellToPlan]
    rehearsal: Rehearsal

    def named(self, cell: Cell, name: str = "") -> CellToPlan:
        """A cell of this seed, under another name where one is given."""
        return CellToPlan(self.prefix + (name or cell.name), cell.recipe, cell.trains)
