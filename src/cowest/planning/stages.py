"""The spend of each stage of one recipe: rehearsed on a sample of examples and scaled up."""

from collections.abc import Callable, Mapping, Sequence

from cowest import preferences, synchronous
from cowest.alignment import load_method
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import InputError
from cowest.formats import load_format
from cowest.gating import Arm
from cowest.judge import BaseJudge, as_base_judge
from cowest.judge.config import ProgramJudge
from cowest.methods import Prepared, Setting, make_methods
from cowest.models.tokens import TokenCounter
from cowest.pipeline import RLWF, Pipeline, asks_for_explanations
from cowest.pipeline.evaluation import setting_of
from cowest.pipeline.factories import feedback_pair, model_judge
from cowest.planning.afterwards import rehearse_gate, rehearse_swaps
from cowest.planning.data import sample
from cowest.planning.rehearsal import (
    Assumptions,
    RehearsedJudge,
    RehearsedModel,
    RehearsedRetriever,
    ReplyLookup,
    rehearsed_reward,
    rehearsed_setting,
)
from cowest.planning.roles import configs_of
from cowest.planning.rollouts import rehearse_rollouts
from cowest.planning.spend import Spend
from cowest.planning.tally import Tally
from cowest.progress import quietly
from cowest.stages._diagnostics import null_sample
from cowest.stages.explanations import explain_example, without_explanation
from cowest.stages.feedback import FeedbackConfig, make_annotator
from cowest.stages.swaps import Asked
from cowest.types import ComparedExample, Example, GradedExample

LookupFor = Callable[[str, str], ReplyLookup | None]
"""From a role and a stage of the weak model ("" for other roles) to the lookup of its replies in the ledger."""


class Stages:
    """Rehearses the stages of a recipe; opens no model and sends nothing.

    Args:
        pipeline: of the recipe.
        counters: token counters by role.
        weak_names: names of the weak model's stages that are unique across recipes; by default the stages' own.
        lookup_for: looks up replies that are paid for; None finds none.

    Attributes:
        configs: the models that are called, by role.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        counters: Mapping[str, TokenCounter],
        weak_names: Mapping[str, str] | None = None,
        lookup_for: LookupFor | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.context = pipeline.context
        self.recipe = pipeline.recipe
        self.configs = configs_of(pipeline.recipe)
        self.counters = counters
        self._weak_names = weak_names or {}
        self._lookup_for = lookup_for or (lambda role, stage: None)

    def target_tokens(self, labelled: Sequence[Example]) -> list[int]:
        """Lengths of the SFT targets of a sample of rows, in tokens; empty without SFT.

        Rows that are still to be explained are left out, since their targets are not written yet.

        Raises:
            InputError: no row holds what a draft of the recipe's format is taught from, so that SFT will be refused.
        """
        if self.recipe.sft.from_ is not None or self.recipe.weak.provider != "local":
            return []
        draft_format = load_format(self.recipe.format)
        sampled = sample(labelled)
        to_explain = {example.id for example in self.to_explain(sampled)}
        targets = [draft_format.target(example) for example in sampled if example.id not in to_explain]
        lengths = [self.counters["weak"].count(target) for target in targets if target is not None]
        if not lengths and not to_explain and all(draft_format.target(example) is None for example in labelled):
            raise InputError(
                f"SFT cannot teach the format {draft_format.name}: none of the {len(labelled)} training rows holds "
                "what its drafts consist of, such as an explanation. Use another format, data with explanations, or "
                "sft.explanations: strong."
            )
        return lengths

    def explanations(self, assumptions: Assumptions, rows: Sequence[Example], tally: Tally) -> dict[str, Spend]:
        """The spend of explaining training rows: two calls a row in both cases, since a failure is rare.

        Args:
            rows: see `to_explain`; there may be none.
        """
        if not rows:
            return {}
        rehearsed = sample(rows)
        tally.weight = len(rows) / len(rehearsed)
        strong, task = self._model("strong", assumptions, tally), self.context.data.task
        pair = feedback_pair(self.recipe, self.context.prompts, strong, strong)
        synchronous.run(map_in_flight(lambda row: explain_example(row, pair, task), rehearsed, len(rehearsed)))
        return tally.take(self.configs)

    def to_explain(self, labelled: Sequence[Example]) -> Sequence[Example]:
        """The training rows that the strong model explains before SFT; this reads all rows."""
        if not asks_for_explanations(self.recipe):
            return ()
        return without_explanation(labelled, self.recipe.format, self.context.data.task)

    def method_names(self, assumptions: Assumptions) -> list[str]:
        """The rows of the evaluation."""
        return [
            method.name for method in make_methods(self.recipe.evaluate.methods, self._setting(assumptions, Tally()))
        ]

    def feedback(
        self,
        assumptions: Assumptions,
        queries: Sequence[Example],
        tally: Tally,
        config: FeedbackConfig,
        weak: str = "sft",
    ) -> tuple[dict[str, Spend], int]:
        """One round of feedback: spend by role, and the pairs or drafts that the recipe's alignment learns from.

        Args:
            config: the feedback section, for instance the recipe's with `skip_settled` turned off.
            weak: the stage of the weak model that drafts.
        """
        recipe = self.recipe
        rehearsed = sample(queries)
        weak_model, strong = self._weak_model(weak, assumptions, tally), self._model("strong", assumptions, tally)
        collaboration = feedback_pair(recipe, self.context.prompts, weak_model, strong)
        judge = self._judge(assumptions, tally)
        reward = rehearsed_reward if config.kind == RLWF else None
        labeller = self._model("labeller", assumptions, tally) if "labeller" in self.configs else None
        annotator = make_annotator(config, collaboration, judge, reward, labeller)
        tally.weight = len(queries) / len(rehearsed)
        annotated = synchronous.run(map_in_flight(annotator.annotate, rehearsed, len(rehearsed)))
        num_rows = round(tally.weight * sum(map(self._num_rows, annotated)))
        if num_controlled := min(config.null_control, len(queries)):
            tally.weight = num_controlled / len(rehearsed)
            graded = [
                (example, outcome)
                for example, outcome in zip(rehearsed, annotated, strict=True)
                if isinstance(outcome, GradedExample)
            ]
            synchronous.run(map_in_flight(lambda item: null_sample(*item, collaboration, judge), graded, len(graded)))
        return tally.take(self.configs), num_rows

    def align(
        self, assumptions: Assumptions, num_queries: int, queries: Sequence[Example], tally: Tally, weak: str = "sft"
    ) -> dict[str, Spend]:
        """The spend of aligning `weak` on `num_queries` of a round's queries, where that drafts while it trains."""
        if not load_method(self.recipe.align).is_online or not num_queries:
            return {}
        drafting = self._weak_model(weak, assumptions, Tally())  # training drafts, without a call
        pair = feedback_pair(self.recipe, self.context.prompts, drafting, self._model("strong", assumptions, tally))
        rehearse_rollouts(self.recipe.align, num_queries, queries, pair, self._judge(assumptions, tally), tally)
        return tally.take(self.configs)

    def _judge(self, assumptions: Assumptions, tally: Tally) -> BaseJudge:
        if isinstance(self.recipe.judge, ProgramJudge):
            return as_base_judge(RehearsedJudge(assumptions))
        return model_judge(self.recipe, self.context.prompts, lambda role: self._model(role, assumptions, tally))

    def annotator(self, assumptions: Assumptions, labelled: Sequence[Example], tally: Tally) -> dict[str, Spend]:
        """The spend of RLWF's annotator: one draft for each labelled row that it is tuned on."""
        rehearsed = sample(labelled)
        tally.weight = len(labelled) / len(rehearsed)
        weak = self._weak_model("sft", assumptions, tally)
        pair = feedback_pair(self.recipe, self.context.prompts, weak, weak)
        synchronous.run(map_in_flight(lambda row: pair.draft(row.query), rehearsed, len(rehearsed)))
        return tally.take(self.configs)

    def evaluate(self, assumptions: Assumptions, examples: Sequence[Example], tally: Tally) -> dict[str, Spend]:
        """The spend of every method of the recipe on `examples`, including its preparation."""
        rehearsed = sample(examples)
        methods = make_methods(self.recipe.evaluate.methods, self._setting(assumptions, tally))
        # Preparation is rehearsed in full, prediction on a sample.
        tally.weight = 1.0
        with quietly():
            for method in methods:
                if isinstance(method, Prepared):
                    synchronous.run(method.prepare(len(rehearsed)))
        tally.weight = len(examples) / len(rehearsed)
        for method in methods:
            synchronous.run(map_in_flight(method.predict, rehearsed, len(rehearsed)))
        return tally.take(self.configs)

    def gate(
        self,
        assumptions: Assumptions,
        validation: Sequence[Example],
        test: Sequence[Example],
        tally: Tally,
        *,
        test_arms: Sequence[Arm],
    ) -> dict[str, Spend]:
        """The spend of `cowest gate` on the pair after all rounds, without calls that `tally` has counted before.

        Args:
            test_arms: the arms measured on each test example.
        """
        pair = self._final_pair(assumptions, tally)
        rehearse_gate(pair, self.context.data.task, validation, test, tally, test_arms)
        return tally.take(self.configs)

    def swaps(self, assumptions: Assumptions, asked: Asked, tally: Tally) -> dict[str, Spend]:
        """The spend of `cowest audit --swaps` on the pair after all rounds, beyond the evaluation."""
        rehearse_swaps(self._final_pair(assumptions, tally), self.context.data.task, asked, tally)
        return tally.take(self.configs)

    def _final_pair(self, assumptions: Assumptions, tally: Tally) -> Collaboration:
        setting = self._setting(assumptions, tally)
        return setting.collaborate(setting.weak[self.context.weak.stage_names()[-1]])

    def _setting(self, assumptions: Assumptions, tally: Tally) -> Setting:
        weak = {stage: self._weak_model(stage, assumptions, tally) for stage in self.context.weak.stage_names()}
        config = self.recipe.retrieval
        retriever = None if config.corpus is None else RehearsedRetriever(config.corpus, config.top_k)
        strong = self._model("strong", assumptions, tally)
        return rehearsed_setting(setting_of(self.context, weak, strong, retriever), assumptions)

    def _num_rows(self, annotated: GradedExample | ComparedExample) -> int:
        if isinstance(annotated, ComparedExample):
            return len(preferences.pairs(annotated, ()))
        return len(load_method(self.recipe.align).choose(annotated, ()).rows)

    def _weak_model(self, stage: str, assumptions: Assumptions, tally: Tally) -> RehearsedModel:
        name = self._weak_names.get(stage, stage)
        return RehearsedModel("weak", name, assumptions, self.counters["weak"], tally, self._lookup_for("weak", stage))

    def _model(self, role: str, assumptions: Assumptions, tally: Tally) -> RehearsedModel:
        config = self.configs[role]
        name = f"{config.model} {config.base_url} {config.options} {config.redact}"
        return RehearsedModel(role, name, assumptions, self.counters[role], tally, self._lookup_for(role, ""))
