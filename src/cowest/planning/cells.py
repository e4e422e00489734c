"""A cell of a bench, rehearsed: its stages one after the other, with models that are known by what they share."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cowest import runs
from cowest.bench.cells import sft_key
from cowest.method_names import weak_stage
from cowest.models import ModelConfig
from cowest.models.tokens import TokenCounter
from cowest.pipeline import PROBE, RLWF, Pipeline
from cowest.planning.assumptions import LOW, as_in, assume, measure
from cowest.planning.data import Data
from cowest.planning.kept import KeptReplies
from cowest.planning.rehearsal import Assumptions, Kept
from cowest.planning.spend import Spend
from cowest.planning.stages import Stages, configs_of
from cowest.planning.tally import Tally
from cowest.recipe import Recipe
from cowest.stages.feedback import draw
from cowest.training.trained import DONE_MARKER, TrainedModel

ALIKE = 0.25
"""Share of drafts that the low case takes to be equal word for word in two stages of the weak model."""


@dataclass(frozen=True)
class Part:
    """A cell to rehearse.

    Attributes:
        name: what its row is called.
        trains: whether it gathers feedback and aligns.
        is_main: whether it is the recipe's own run, which is not evaluated but whose drafts are probed.
    """

    name: str
    recipe: Recipe
    trains: bool
    is_main: bool = False


class Rehearsal:
    """Rehearses the cells of one bench.

    Args:
        main: the recipe's own run.
        data: what all cells work on.
        trained: folders of finished SFT by `sft_key`.
        kept: what the ledger holds.
    """

    def __init__(self, main: Part, data: Data, trained: Mapping[str, Path], kept: KeptReplies) -> None:
        self.main = main
        self.data = data
        self.measured = measure(Pipeline(main.recipe))
        self._trained = trained
        self._kept = kept
        self._counters: dict[str, TokenCounter] = {}
        self._targets: dict[str, list[int]] = {}

    def spends(self, part: Part, case: str, tally: Tally) -> Iterator[dict[str, Spend]]:
        """What each stage of a cell takes beyond what `tally` knows."""
        recipe, stages = part.recipe, self._stages(part)
        assumptions, config = self._assumptions(case, stages), as_in(case, recipe.feedback)
        if part.trains and config.kind == RLWF:
            labelled = draw(self.data.labelled, config.queries, recipe.seed, round_number=0)
            yield stages.annotator(assumptions, labelled, tally)
        for number in range(1, recipe.rounds + 1) if part.trains else ():
            queries = draw(self.data.pool, config.queries, recipe.seed, number)
            spends, _ = stages.feedback(assumptions, queries, tally, config, weak_stage(number - 1))
            yield {} if is_gathered(recipe, number) else spends
        if not part.is_main:
            yield stages.evaluate(assumptions, self.data.evaluated, tally)
            return
        probed = self.data.evaluated[: recipe.bench.probe]
        for stage in ("sft", weak_stage(recipe.rounds)) if probed else ():
            yield stages.feedback(assumptions, probed, tally, config.model_copy(update=PROBE), stage)[0]

    def num_pairs(self, case: str) -> int:
        """Preference pairs that the first round of the recipe's own run gives."""
        recipe = self.main.recipe
        if is_gathered(recipe, 1):
            return sum(1 for _ in runs.read_jsonl(runs.RunFolder(recipe.run).feedback(1) / "pairs.jsonl"))
        stages, config = self._stages(self.main), as_in(case, recipe.feedback)
        queries = draw(self.data.pool, config.queries, recipe.seed)
        _, found = stages.feedback(self._assumptions(case, stages), queries, Tally(), config)
        return found if config.max_pairs is None else min(found, config.max_pairs)

    def counter(self, config: ModelConfig) -> TokenCounter:
        """Counts a model's tokens; made once for all cells."""
        key = f"{config.model} {config.base_url}"
        if key not in self._counters:
            self._counters[key] = TokenCounter(config)
        return self._counters[key]

    def _stages(self, part: Part) -> Stages:
        # What is not trained in a cell is the main run's; equal SFT is shared whoever did it.
        owner = part if part.trains else self.main
        folder, configs, key = runs.RunFolder(owner.recipe.run), configs_of(part.recipe), sft_key(part.recipe)
        names = {"base": part.recipe.weak.model, "sft": f"sft {hashlib.sha256(key.encode()).hexdigest()}"}
        names |= {weak_stage(number): f"{owner.name} {number}" for number in range(1, part.recipe.rounds + 1)}
        trained = {weak_stage(number): folder.align(number) for number in range(1, part.recipe.rounds + 1)}
        if key in self._trained:
            trained["sft"] = self._trained[key]

        def find_kept(role: str, stage: str) -> Kept | None:
            config = configs[role]
            if role == "weak" and stage != "base":
                if stage not in trained or not (trained[stage] / DONE_MARKER).is_file():
                    return None
                config = config.model_copy(update={"model": TrainedModel.read(trained[stage]).model})
            return self._kept.of(role, config)

        counters = {role: self.counter(config) for role, config in configs.items()}
        return Stages(Pipeline(part.recipe), counters, names, find_kept)

    def _assumptions(self, case: str, stages: Stages) -> Assumptions:
        measured = self.measured | measure(stages.pipeline)
        key = f"{stages.recipe.format} {stages.recipe.weak.model}"
        if key not in self._targets:  # it looks at every labelled row
            self._targets[key] = stages.target_tokens(self.data.labelled)
        assumptions = assume(case, stages.recipe, measured, self._targets[key])
        return replace(assumptions, alike=ALIKE) if case == LOW else assumptions


def is_gathered(recipe: Recipe, number: int) -> bool:
    """Whether the feedback of a round is finished, so that it takes nothing any more."""
    return (runs.RunFolder(recipe.run).feedback(number) / "summary.json").is_file()
