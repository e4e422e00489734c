"""From a recipe to its estimate: the stages in a low and a high case, their assumptions and their sums."""

from collections.abc import Mapping, Sequence

from cowest.alignment import load_method
from cowest.annotators import SOLO
from cowest.gating import Arm
from cowest.gating.calibration import check_gate
from cowest.models.tokens import TokenCounter
from cowest.pipeline import RLWF, Pipeline
from cowest.pipeline.spending import check_spending
from cowest.planning.afterwards import swapped_queries
from cowest.planning.assumptions import HIGH, LOW, assume, feedback_config_for, latency_s, measured_so_far
from cowest.planning.cluster import cluster_of
from cowest.planning.data import RunExamples
from cowest.planning.endpoints import endpoint_problems, servers
from cowest.planning.hours import Hours, StageTime
from cowest.planning.plan import Case, Plan
from cowest.planning.power import power_of
from cowest.planning.rehearsal import Assumptions
from cowest.planning.roles import configs_of
from cowest.planning.spend import Spend, cost_of, sum_by_role, wall_s, within
from cowest.planning.stages import Stages
from cowest.planning.tally import Tally
from cowest.stages.queries import draw
from cowest.types import Example


def make_plan(pipeline: Pipeline) -> Plan:
    """Estimates a recipe without opening a model or sending a request.

    Raises:
        InputError: the recipe or its data cannot be used, or do not allow its gate or its limits on money.
    """
    check_spending(pipeline.recipe)
    return _Planner(pipeline).plan()


def _gate_examples(pipeline: Pipeline) -> dict[str, Sequence[Example]] | None:
    """The examples of `cowest gate` by split; None without a calibrated gate."""
    recipe = pipeline.recipe
    if recipe.serve.gate.kind != "calibrated":
        return None
    check_gate(recipe.serve.gate, {"weak": recipe.weak, "strong": recipe.strong})
    validation, test = pipeline.context.data.gate()
    return {"validation": validation, "test": test}


class _Planner:
    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.recipe = pipeline.recipe
        self.stages = Stages(pipeline, {role: TokenCounter(config) for role, config in configs_of(self.recipe).items()})
        self.hours = Hours(pipeline, self.stages.configs)
        self.num_rounds = pipeline.context.weak.num_rounds
        self.measured = measured_so_far(pipeline)
        self.examples = RunExamples.of(pipeline)
        self.to_explain = self.stages.to_explain(self.examples.labelled)
        self.gate_examples = _gate_examples(pipeline)
        self.asked = swapped_queries(self.recipe, self.examples.evaluated)
        self.targets = self.stages.target_tokens(self.examples.labelled)

    def plan(self) -> Plan:
        recipe, configs = self.recipe, self.stages.configs
        queries = draw(self.examples.pool, recipe.feedback.queries, recipe.seed)
        low, high = (self._case(name, queries) for name in (LOW, HIGH))
        return Plan(
            run=recipe.run,
            rounds=self.num_rounds,
            trains=self.pipeline.context.weak.is_trained_here,
            samples=0 if recipe.feedback.kind == SOLO else recipe.feedback.samples,
            until_pair=recipe.feedback.until_pair,
            num_train=len(self.examples.labelled),
            num_to_explain=len(self.to_explain),
            num_queries=len(queries),
            feedback_spend_usd=recipe.feedback.spend,
            alignment=recipe.align.summary(),
            learned_from=load_method(recipe.align).noun,
            num_evaluated=len(self.examples.evaluated),
            power=power_of(self.pipeline, self.examples.evaluated),
            gate_examples=self.gate_examples and {name: len(examples) for name, examples in self.gate_examples.items()},
            swapped=None if self.asked is None else len(self.asked.examples),
            methods=self.stages.method_names(self._assumptions(LOW)),
            tokens_from={role: counter.how for role, counter in self.stages.counters.items()},
            measured=self.measured,
            already_paid=self.pipeline.context.paid_calls(),
            budgets_usd={role: config.budget_usd for role, config in configs.items() if config.budget_usd is not None},
            batched=[role for role, config in configs.items() if config.batch],
            in_process=[
                role for role, config in configs.items() if config.provider == "local" and not config.is_served
            ],
            servers=servers(configs),
            cluster=cluster_of(self.pipeline),
            without_speed=self.hours.without_speed if self.hours.are_told else [],
            endpoint_problems=endpoint_problems(configs),
            endpoints={role: each.base_url for role, each in configs.items() if isinstance(each.base_url, tuple)},
            without_logprobs=[role for role, config in configs.items() if not config.keep_logprobs],
            low=low,
            high=high,
        )

    def _assumptions(self, case: str) -> Assumptions:
        return assume(case, self.recipe, self.measured, self.targets)

    def _case(self, name: str, queries: Sequence[Example]) -> Case:
        assumptions, config = self._assumptions(name), feedback_config_for(name, self.recipe.feedback)
        feedback, pairs = self.stages.feedback(assumptions, queries, Tally(), config)
        feedback, share = within(feedback, config.spend)
        pairs = round(share * pairs)
        explanations = self.stages.explanations(assumptions, self.to_explain, Tally())
        stages = {"explanations": explanations} if explanations else {}
        aligning = self.stages.align(assumptions, pairs, queries, Tally())
        for number in range(1, self.num_rounds + 1):
            stages |= {f"feedback, round {number}": feedback} | (
                {f"align, round {number}": aligning} if aligning else {}
            )
        if self.recipe.feedback.kind == RLWF:
            labelled = draw(self.examples.labelled, self.recipe.feedback.queries, self.recipe.seed, round_number=0)
            stages["annotator"] = self.stages.annotator(assumptions, labelled, Tally())
        tally = Tally()
        stages["evaluate"] = self.stages.evaluate(assumptions, self.examples.evaluated, tally)
        if self.gate_examples is not None:
            # On test the strong model alone is called only as the policy says, which is not known yet.
            test_arms: tuple[Arm, ...] = ("both",) if name == LOW else ("strong", "both")
            stages["gate"] = self.stages.gate(assumptions, **self.gate_examples, tally=tally, test_arms=test_arms)
        if self.asked is not None:
            stages["audit"] = self.stages.swaps(assumptions, self.asked, tally)
        roles = sum_by_role(stages.values())
        limit = self.recipe.feedback.max_pairs
        num_learned = pairs if limit is None else min(pairs, limit)
        return Case(
            assumed={
                "solved_alone": assumptions.solved_alone,
                "helped": assumptions.helped,
                "sure": assumptions.sure,
                "tokens_a_reply": assumptions.tokens,
                "latency_s": latency_s(name),
            },
            stages=stages,
            roles=roles,
            cost_usd=cost_of(roles),
            wall_s=wall_s(roles, self.stages.configs, latency_s(name)),
            num_pairs=self.num_rounds * num_learned,
            times=self._times(stages, num_learned, latency_s(name)) if self.hours.are_told else {},
        )

    def _times(
        self, stages: Mapping[str, Mapping[str, Spend]], num_learned: int, latency_s: float
    ) -> dict[str, StageTime]:
        """By stage, in the order of the run."""
        times = {name: self.hours.of_calls(spends, latency_s) for name, spends in stages.items()}
        if not self.pipeline.context.weak.is_trained_here:
            return times
        trains_sft = self.recipe.sft.from_ is None
        training = {"sft": self.hours.of_training("sft", len(self.examples.labelled))} if trains_sft else {}
        before = {name: times.pop(name) for name in ("explanations", "annotator") if name in times}
        rounds: dict[str, StageTime] = {}
        for number in range(1, self.num_rounds + 1):
            feedback, align = f"feedback, round {number}", f"align, round {number}"
            times.pop(align, None)  # its calls are part of its training
            rounds |= {feedback: times.pop(feedback), align: self.hours.of_training("align", num_learned)}
        return before | training | rounds | times
