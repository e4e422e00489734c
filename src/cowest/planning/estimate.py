"""From a recipe to its estimate: rehearse the stages on a few examples, scale up, price, and time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
from pydantic import BaseModel

from cowest import preferences, runs, synchronous
from cowest.annotators import RLAIF, load_annotator
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
from cowest.progress import quietly
from cowest.recipe import ProgramJudge
from cowest.stages._harvest import null_sample
from cowest.stages.feedback import draw
from cowest.types import Example, GradedExample, Sampling, Usage

REHEARSED = 64
"""Examples that a rehearsal takes at most, drawn by the recipe's seed."""

LOW, HIGH = "low", "high"
ASSUMED = {
    LOW: {"solved_alone": 0.5, "helped": 0.5, "sure": 0.5, "draft": 60, "output": 80, "latency_s": 1.0},
    HIGH: {"solved_alone": 0.0, "helped": 0.2, "sure": 0.0, "draft": 250, "output": 350, "latency_s": 8.0},
}
"""Where nothing was measured: shares, tokens a reply, and seconds a call. The high case also saves no call by rule."""

JUDGE_TOKENS = VOTE_TOKENS = 2
IN_PROCESS = ("local", "scripted")


class Spend(BaseModel):
    """Calls, tokens and money; money is None where no price is known."""

    calls: int
    usage: Usage
    cost_usd: float | None


class Case(BaseModel):
    """One case of the estimate.

    Attributes:
        assumed: what it rests on.
        stages: spend by stage and role.
        roles: spend by role.
        cost_usd: of all; None where a price is unknown.
        wall_s: seconds of calls to endpoints, at the known limits or the assumed latency. Training, models in this
            process and batches come on top.
        num_pairs: preference pairs of all rounds.
    """

    assumed: dict[str, Any]
    stages: dict[str, dict[str, Spend]]
    roles: dict[str, Spend]
    cost_usd: float | None
    wall_s: float
    num_pairs: int


class Plan(BaseModel):
    """What a recipe will take.

    Attributes:
        num_queries: examples of feedback, a round; None where the recipe has none to gather.
        num_evaluated: examples of evaluation.
        tokens_from: how tokens were counted, by role.
        measured: what was taken from earlier rounds of this run instead of being assumed.
        already_paid: replies that the run's ledger holds, by role; they are not paid again.
        budgets_usd: caps by role, where there are any.
        batched: roles whose calls go through a batch interface, which may take a day for each dependent round.
    """

    run: str
    rounds: int
    samples: int
    num_train: int
    num_queries: int
    num_evaluated: int
    methods: list[str]
    tokens_from: dict[str, str]
    measured: dict[str, float]
    already_paid: dict[str, int]
    budgets_usd: dict[str, float]
    batched: list[str]
    low: Case
    high: Case


def make_plan(pipeline: Pipeline) -> Plan:
    """Estimates a recipe without opening a model or sending a request.

    Raises:
        InputError: the recipe or its data cannot be used.
    """
    return _Planner(pipeline).plan()


class _Planner:
    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.recipe = recipe = pipeline.recipe
        self.configs = {"weak": recipe.weak, "strong": recipe.strong}
        if isinstance(recipe.judge, ModelConfig):
            self.configs["judge"] = recipe.judge
        elif recipe.judge == "strong":
            self.configs["judge"] = recipe.strong
        if recipe.feedback.kind == RLAIF and recipe.feedback.labeller is not None:
            self.configs["labeller"] = recipe.feedback.labeller
        self.counters = {role: TokenCounter(config) for role, config in self.configs.items()}
        self.measured = _measured(pipeline)

    def plan(self) -> Plan:
        recipe = self.recipe
        pool, evaluated = self.pipeline.feedback_examples(), self.pipeline.evaluation_examples()
        queries = draw(pool, recipe.feedback.queries, recipe.seed)
        low, high = (self._case(name, queries, evaluated) for name in (LOW, HIGH))
        return Plan(
            run=recipe.run,
            rounds=recipe.rounds,
            samples=recipe.feedback.samples,
            num_train=len(self.pipeline.sft_examples()),
            num_queries=len(queries),
            num_evaluated=len(evaluated),
            methods=[
                method.name for method in make_methods(recipe.evaluate.methods, self._setting(self._world(LOW), {}))
            ],
            tokens_from={role: counter.how for role, counter in self.counters.items()},
            measured=self.measured,
            already_paid=self.pipeline.paid_calls(),
            budgets_usd={
                role: config.budget_usd for role, config in self.configs.items() if config.budget_usd is not None
            },
            batched=[role for role, config in self.configs.items() if config.batch],
            low=low,
            high=high,
        )

    def _world(self, case: str) -> World:
        assumed = ASSUMED[case] | self.measured
        if "draft" not in self.measured and (targets := self._target_tokens()):
            # What SFT teaches is what drafts look like, but sampled ones ramble.
            likely = float(np.quantile(targets, 0.5 if case == LOW else 0.9))
            assumed["draft"] = likely if case == LOW else max(likely, assumed["draft"])
        tokens = {
            "weak": _within(assumed["draft"], self.recipe.weak.sampling),
            "strong": _within(assumed["output"], self.recipe.strong.sampling),
            "judge": JUDGE_TOKENS,
        }
        if "labeller" in self.configs:
            tokens["labeller"] = VOTE_TOKENS
        return World(
            solved_alone=assumed["solved_alone"], helped=assumed["helped"], sure=assumed["sure"], tokens=tokens
        )

    def _target_tokens(self) -> list[int]:
        """Lengths of SFT targets: what the weak model will have been taught to write."""
        if self.recipe.sft.from_ is not None or self.recipe.weak.provider != "local":
            return []
        draft_format = load_format(self.recipe.format)
        targets = [draft_format.target(example) for example in _sample(self.pipeline.sft_examples(), self.recipe.seed)]
        return [self.counters["weak"].count(target) for target in targets if target is not None]

    def _case(self, name: str, queries: Sequence[Example], evaluated: Sequence[Example]) -> Case:
        world = self._world(name)
        feedback, pairs = self._feedback(world, queries, skip_settled=name == LOW and self.recipe.feedback.skip_settled)
        stages = {f"feedback, round {number}": feedback for number in range(1, self.recipe.rounds + 1)}
        if self.recipe.feedback.kind == RLWF:
            stages["annotator"] = self._annotator(world)
        stages["evaluate"] = self._evaluate(world, evaluated)
        roles: dict[str, Spend] = {}
        for spends in stages.values():
            for role, spend in spends.items():
                roles[role] = _plus(roles[role], spend) if role in roles else spend
        costs = [spend.cost_usd for spend in roles.values()]
        limit = self.recipe.feedback.max_pairs
        return Case(
            assumed={
                "solved_alone": world.solved_alone,
                "helped": world.helped,
                "sure": world.sure,
                "tokens_a_reply": world.tokens,
                "latency_s": self._latency_s(name),
            },
            stages=stages,
            roles=roles,
            cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
            wall_s=self._wall_s(roles, self._latency_s(name)),
            num_pairs=self.recipe.rounds * (pairs if limit is None else min(pairs, limit)),
        )

    def _feedback(self, world: World, queries: Sequence[Example], skip_settled: bool) -> tuple[dict[str, Spend], int]:
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
            labeller=self._model("labeller", "labeller", world, counts) if "labeller" in self.configs else None,
            labeller_sampling=None if recipe.feedback.labeller is None else recipe.feedback.labeller.sampling,
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
            spends = {role: _plus(spend, control[role]) if role in control else spend for role, spend in spends.items()}
        return spends, round(scale * sum(len(preferences.pairs(each, ())) for each in graded))

    def _annotator(self, world: World) -> dict[str, Spend]:
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

    def _evaluate(self, world: World, examples: Sequence[Example]) -> dict[str, Spend]:
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
        return spends | {role: _plus(spends[role], spend) if role in spends else spend for role, spend in once.items()}

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
            cost = _cost_usd(self.configs[role], usage)
            spends[role] = Spend(calls=round(count.calls * scale), usage=usage, cost_usd=cost)
        return spends

    def _latency_s(self, case: str) -> float:
        return float(ASSUMED[case]["latency_s"])

    def _wall_s(self, roles: Mapping[str, Spend], latency_s: float) -> float:
        """Seconds of calls; the strong model and its judge share an endpoint's limits where they are the same."""
        by_config: dict[str, tuple[ModelConfig, int, int]] = {}
        for role, spend in roles.items():
            config = self.configs[role]
            if config.provider in IN_PROCESS or config.batch:
                continue
            _, calls, tokens = by_config.get(config.model_dump_json(), (config, 0, 0))
            total = spend.usage.prompt_tokens + spend.usage.completion_tokens
            by_config[config.model_dump_json()] = (config, calls + spend.calls, tokens + total)
        return max((_seconds(*entry, latency_s) for entry in by_config.values()), default=0.0)


def _seconds(config: ModelConfig, calls: int, tokens: int, latency_s: float) -> float:
    bounds = [calls * latency_s / config.max_concurrency]
    if config.requests_per_minute:
        bounds.append(60 * calls / config.requests_per_minute)
    if config.tokens_per_minute:
        bounds.append(60 * tokens / config.tokens_per_minute)
    return max(bounds)


def _cost_usd(config: ModelConfig, usage: Usage) -> float | None:
    return 0.0 if config.provider in IN_PROCESS else config.cost_usd(usage)


def _plus(a: Spend, b: Spend) -> Spend:
    unknown = a.cost_usd is None or b.cost_usd is None
    cost = None if unknown else (a.cost_usd or 0.0) + (b.cost_usd or 0.0)
    return Spend(calls=a.calls + b.calls, usage=a.usage + b.usage, cost_usd=cost)


def _sample(examples: Sequence[Example], seed: int) -> Sequence[Example]:
    if len(examples) <= REHEARSED:
        return list(examples)
    chosen = sorted(Random(f"plan {seed}").sample(range(len(examples)), REHEARSED))
    return [examples[index] for index in chosen]


def _within(tokens: float, sampling: Sampling) -> int:
    return max(1, round(tokens if sampling.max_tokens is None else min(tokens, sampling.max_tokens)))


def _measured(pipeline: Pipeline) -> dict[str, float]:
    """What the rounds that this run has finished say; empty before the first."""
    found: dict[str, float] = {}
    for number in range(1, pipeline.recipe.rounds + 1):
        file = pipeline.folder.feedback(number) / "summary.json"
        if not file.is_file():
            break
        summary = runs.read_json(file)
        graded = summary["num_examples"] - summary["num_failed"]
        scored = summary["num_positive"] + summary["num_negative"]
        if graded and "num_solo_perfect" in summary:
            found["solved_alone"] = summary["num_solo_perfect"] / graded
        if scored:
            found["helped"] = summary["num_positive"] / scored
        for role, name in (("weak", "draft"), ("strong", "output")):
            if calls := summary["calls"].get(role):
                found[name] = summary["usage"][role]["completion_tokens"] / calls
    return found
