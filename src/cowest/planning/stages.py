"""The stages of one recipe, rehearsed on a few examples and scaled up: what each of them spends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from cowest import preferences, synchronous
from cowest.annotators import load_annotator
from cowest.collaboration import Collaboration
from cowest.formats import load_format
from cowest.in_flight import map_in_flight
from cowest.judge import Judge, JudgeConfig, ModelJudge
from cowest.methods import Prepared, Setting, make_methods
from cowest.models import ModelConfig
from cowest.models.tokens import TokenCounter
from cowest.pipeline import RLWF, Pipeline
from cowest.planning.rehearsal import (
    Count,
    Rehearsed,
    RehearsedJudge,
    RehearsedRetriever,
    World,
    rehearsed_reward,
)
from cowest.planning.spend import Spend, add, priced
from cowest.progress import quietly
from cowest.recipe import ProgramJudge
from cowest.stages._harvest import null_sample
from cowest.stages.feedback import draw
from cowest.types import Example, GradedExample, Usage

REHEARSED = 64
"""Examples that a rehearsal takes at most, drawn by the recipe's seed."""


class Stages:
    """Rehearses the stages of a recipe; opens no model and sends nothing.

    Attributes:
        configs: of the models that are called, by role.
        counters: of their tokens.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.recipe = recipe = pipeline.recipe
        self.configs: dict[str, ModelConfig] = {"weak": recipe.weak, "strong": recipe.strong}
        if isinstance(recipe.judge, ModelConfig):
            self.configs["judge"] = recipe.judge
        elif recipe.judge == "strong":
            self.configs["judge"] = recipe.strong
        self.counters = {role: TokenCounter(config) for role, config in self.configs.items()}

    def target_tokens(self) -> list[int]:
        """Lengths of SFT targets: what the weak model will have been taught to write; empty without SFT."""
        if self.recipe.sft.from_ is not None or self.recipe.weak.provider != "local":
            return []
        draft_format = load_format(self.recipe.format)
        targets = [draft_format.target(example) for example in _sample(self.pipeline.sft_examples(), self.recipe.seed)]
        return [self.counters["weak"].count(target) for target in targets if target is not None]

    def method_names(self, world: World) -> list[str]:
        """The rows of the evaluation."""
        return [method.name for method in make_methods(self.recipe.evaluate.methods, self._setting(world, {}))]

    def feedback(self, world: World, queries: Sequence[Example], skip_settled: bool) -> tuple[dict[str, Spend], int]:
        """One round of feedback on `queries`: spend by role, and preference pairs."""
        recipe, counts = self.recipe, dict[str, Count]()
        rehearsed = _sample(queries, recipe.seed)
        collaboration = Collaboration(
            self._model("weak", "weak", world, counts),
            self._model("strong", "strong", world, counts),
            format=recipe.format,
            prompts=self.pipeline.prompts,
            weak_sampling=recipe.weak.sampling,
            strong_sampling=recipe.strong.sampling,
        )
        judge: Judge = RehearsedJudge(world)
        if not isinstance(recipe.judge, ProgramJudge):
            sampling, repeats = None, 1
            if isinstance(recipe.judge, JudgeConfig):
                sampling, repeats = recipe.judge.sampling, recipe.judge.repeats
            model = self._model("judge", "judge", world, counts)
            judge = ModelJudge(model, self.pipeline.prompts, sampling, repeats)
        annotator = load_annotator(
            recipe.feedback.kind,
            collaboration,
            judge,
            samples=recipe.feedback.samples,
            skip_settled=skip_settled,
            reward=rehearsed_reward if recipe.feedback.kind == RLWF else None,
        )
        graded = synchronous.run(map_in_flight(annotator.annotate, rehearsed, len(rehearsed)))
        scale = len(queries) / len(rehearsed)
        spends = self._scaled(counts, scale)
        if controlled := min(recipe.feedback.null_control, len(queries)):
            counts.clear()
            pairs = [
                (example, each)
                for example, each in zip(rehearsed, graded, strict=True)
                if isinstance(each, GradedExample)
            ]
            synchronous.run(map_in_flight(lambda pair: null_sample(*pair, collaboration, judge), pairs, len(pairs)))
            control = self._scaled(counts, controlled / len(rehearsed))
            spends = add([spends, control])
        return spends, round(scale * sum(len(preferences.pairs(each, ())) for each in graded))

    def annotator(self, world: World) -> dict[str, Spend]:
        """One draft for each labelled row that RLWF's annotator is tuned on."""
        recipe, counts = self.recipe, dict[str, Count]()
        labelled = draw(self.pipeline.sft_examples(), recipe.feedback.queries, recipe.seed, round_number=0)
        rehearsed = _sample(labelled, recipe.seed)
        weak = self._model("weak", "sft", world, counts)
        pair = Collaboration(
            weak, weak, format=recipe.format, prompts=self.pipeline.prompts, weak_sampling=recipe.weak.sampling
        )
        synchronous.run(map_in_flight(lambda each: pair.draft(each.query), rehearsed, len(rehearsed)))
        return self._scaled(counts, len(labelled) / len(rehearsed))

    def evaluate(self, world: World, examples: Sequence[Example]) -> dict[str, Spend]:
        """Every method of the recipe on `examples`, with what it does once."""
        counts: dict[str, Count] = {}
        rehearsed = _sample(examples, self.recipe.seed)
        methods = make_methods(self.recipe.evaluate.methods, self._setting(world, counts))
        # What is done once is rehearsed whole, what is done for each example on some of them.
        with quietly():
            for method in methods:
                if isinstance(method, Prepared):
                    synchronous.run(method.prepare(len(rehearsed)))
        once = self._scaled(counts, 1)
        counts.clear()
        for method in methods:
            synchronous.run(map_in_flight(method.predict, rehearsed, len(rehearsed)))
        spends = self._scaled(counts, len(examples) / len(rehearsed))
        return add([spends, once])

    def _setting(self, world: World, counts: dict[str, Count]) -> Setting:
        strong = self._model("strong", "strong", world, counts)
        stages = self.pipeline.weak_stage_names()
        weak = {stage: self._model("weak", stage, world, counts) for stage in stages}
        setting = self.pipeline.setting(weak, strong)
        config = self.recipe.retrieval
        retriever = None if config.corpus is None else RehearsedRetriever(config.corpus, config.top_k)
        return replace(setting, retriever=retriever)

    def _model(self, role: str, name: str, world: World, counts: dict[str, Count]) -> Rehearsed:
        return Rehearsed(role, name, world, self.counters[role], counts)

    def _scaled(self, counts: Mapping[str, Count], scale: float) -> dict[str, Spend]:
        spends = {}
        for role, count in sorted(counts.items()):
            usage = Usage(
                prompt_tokens=round(count.usage.prompt_tokens * scale),
                completion_tokens=round(count.usage.completion_tokens * scale),
            )
            spends[role] = priced(round(count.calls * scale), usage, self.configs[role])
        return spends


def _sample(examples: Sequence[Example], seed: int) -> Sequence[Example]:
    if len(examples) <= REHEARSED:
        return list(examples)
    chosen = sorted(Random(f"plan {seed}").sample(range(len(examples)), REHEARSED))
    return [examples[index] for index in chosen]
