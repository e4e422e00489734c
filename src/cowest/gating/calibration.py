"""Learns on validation which arm should answer, the draft, the strong model or both; then tests that on test."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cowest import runs, synchronous
from cowest.collaboration import Collaboration
from cowest.errors import CowestError, InputError
from cowest.fingerprints import digest_of
from cowest.gating.config import GateConfig
from cowest.gating.evaluation import on_test, on_validation
from cowest.gating.measurement import CostOf, is_priced, measure, outcomes_of, without_failures
from cowest.gating.search import Family, Target, choose, required
from cowest.models import ModelConfig
from cowest.records import ARMS, Arm, GateResults, MeasuredExample, Policy
from cowest.records.gate import GateTarget, RowsUsed
from cowest.tasks.base import Task
from cowest.types import Completion, Example

RESULT = "gate.json"
TEMPLATES = ("solo_chain_of_thought", "refine")
_NO_PRICE = (
    "serve.gate.max_cost_usd is set, but the calls have no price. Write strong.price: {{input: .., output: ..}} "
    "(USD per million tokens; weak.price too if its calls cost), or aim at min_accuracy, which then saves tokens of "
    "the strong model. {calls}"
)


def calibrate(
    validation: Sequence[Example],
    test: Sequence[Example],
    *,
    pair: Collaboration,
    task: Task,
    config: GateConfig,
    models: Mapping[str, ModelConfig],
    out: Path,
    seed: int = 0,
    num_in_flight: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> GateResults:
    """Chooses a policy on `validation`, applies it to `test`, and writes the measured examples and gate.json to `out`.

    On validation every example is measured with all three arms. On test it is measured with the draft and with both,
    the baseline of the comparison; the strong model alone is called only where the policy says so.

    Args:
        validation: the examples to learn from, of which the first `config.limit` are used.
        test: the examples to test the policy on; may be empty. Nothing is learned from them.
        models: the recipe's sections "weak" and "strong", for prices.
        seed: of the folds.

    Raises:
        InputError: the gate is not of kind "calibrated", the weak model gives no log-probabilities, or the target is
            a cost but prices are missing.
        EndpointError: an endpoint failed for good, or every example failed.
    """
    check_gate(config, models)
    validation = validation[: config.limit]
    if len(validation) < 2:
        raise InputError(
            f"The gate needs at least two validation examples, and there are {len(validation)}. Give task.validation "
            "a file with more rows, or serve.gate.limit a larger number. Nothing was called."
        )
    rows_used = _rows_used(validation, test)
    _report_changes(out / RESULT, rows_used, say)
    cost_of = _cost_of(models)
    measured = measure("validation", validation, pair, task, cost_of, num_in_flight)
    result = _learn(measured, rows_used, pair, task, config, models, seed)
    policy, in_usd = result.policy, result.cost_unit == "usd"
    say(f"gate: {policy}" + ("" if result.met else f"; {unmet(result)}"))
    tested: list[MeasuredExample] = []
    if test:
        tested = measure(
            "test", test, pair, task, cost_of, num_in_flight, lambda confidence: (policy.arm(confidence), "both")
        )
        result = result.model_copy(update={"test": on_test(tested, policy, in_usd=in_usd)})
    synchronous.run(pair.strong.close())
    # Only now, so that an interruption leaves the files of an earlier gate as they are.
    runs.write_jsonl(out / "validation.jsonl", _with_arms(measured, policy))
    if test:
        runs.write_jsonl(out / "test.jsonl", _with_arms(tested, policy))
    result.write(out / RESULT)
    return result


def _learn(
    measured: Sequence[MeasuredExample],
    rows_used: dict[str, RowsUsed],
    pair: Collaboration,
    task: Task,
    config: GateConfig,
    models: Mapping[str, ModelConfig],
    seed: int,
) -> GateResults:
    """Chooses the policy on the measured validation examples; the results on test are still missing."""
    answered = without_failures(measured)
    in_usd = is_priced(answered)
    target = _target(config, answered, in_usd)
    arms = allowed_arms(pair)
    outcomes = outcomes_of(answered, in_usd=in_usd)
    family = Family(outcomes, arms)
    policy, met = choose(outcomes, target, arms, family)
    return GateResults(
        task=task.name,
        metric=task.metric,
        cost_unit="usd" if in_usd else "strong_tokens",
        arms=list(arms),
        target=GateTarget(min_accuracy=config.min_accuracy, max_cost_usd=config.max_cost_usd),
        min_accuracy=None if target.max_cost is not None else required(outcomes, target),
        met=met,
        most_accurate=float(family.accuracy.max()),
        cheapest=float(family.cost.min()),
        policy=policy,
        validation=on_validation(measured, outcomes, policy, target, arms, family, seed),
        test=None,
        made_of=rows_used,
        made_for=made_for(pair, config, models),
    )


def made_for(pair: Collaboration, config: GateConfig, models: Mapping[str, ModelConfig]) -> dict[str, Any]:
    """What a policy depends on, by name: models, prompts, sampling, prices and target."""
    templates = (pair.format.template, *TEMPLATES)
    prices = {role: model.price for role, model in models.items()}
    return {
        "weak model": pair.weak.identity,
        "strong model": pair.strong.identity,
        "format": pair.format.name,
        "weak sampling": pair.weak_sampling.model_dump(mode="json"),
        "strong sampling": pair.strong_sampling.model_dump(mode="json"),
        "prompts": {name: pair.prompts.version(name) for name in templates},
        "prices": {role: price and price.model_dump() for role, price in prices.items()},
        "serve.gate": config.model_dump(mode="json"),
    }


def allowed_arms(pair: Collaboration) -> tuple[Arm, ...]:
    """The arms that may answer; in a format without an answer the draft cannot."""
    return ARMS if pair.drafts_hold_answers else tuple(arm for arm in ARMS if arm != "draft")


def unmet(result: GateResults) -> str:
    """A sentence for a gate whose target no policy meets: what is used instead."""
    limit = result.target.max_cost_usd
    if limit is not None:
        return (
            f"no policy costs as little as ${limit:g} a query on the validation split; this is the cheapest there is, "
            f"at ${result.cheapest or 0.0:.3g}"
        )
    return (
        f"no policy is right as often as {result.min_accuracy or 0.0:.1%} on the validation split (the best: "
        f"{result.most_accurate or 0.0:.1%}), so both models answer everything"
    )


def check_gate(config: GateConfig, models: Mapping[str, ModelConfig]) -> None:
    """Checks, before anything is called, whether a gate can be learned.

    Raises:
        InputError: the gate is not of kind "calibrated", the weak model is not asked for log-probabilities, or the
            target is a cost but no model has a price.
    """
    if config.kind != "calibrated":
        raise InputError(
            "serve.gate is `always`, so both models answer everything and there is nothing to learn. Write "
            "serve.gate: calibrated, or with a target {kind: calibrated, min_accuracy: 0.9} or {kind: calibrated, "
            "max_cost_usd: 0.001}."
        )
    if models["weak"].gives_logprobs is False:
        raise InputError(
            "The gate reads the probabilities of the weak model's tokens, but this one is not asked for them, or does "
            "not keep them. Write weak.options: {logprobs: true} if its endpoint gives them, and leave out "
            "weak.keep_logprobs; or leave serve.gate at `always`. They are never guessed. Nothing was called."
        )
    if config.max_cost_usd is not None and all(
        model.provider == "local" and model.price is None for model in models.values()
    ):
        raise InputError(_NO_PRICE.format(calls="Nothing was called."))


def _rows_used(validation: Sequence[Example], test: Sequence[Example]) -> dict[str, RowsUsed]:
    splits = {"validation": validation, "test": test}
    return {name: RowsUsed(num_examples=len(rows), sha256=digest_of(rows)) for name, rows in splits.items()}


def _report_changes(path: Path, now: Mapping[str, RowsUsed], say: Callable[[str], None]) -> None:
    """Reports splits whose rows differ from those of the existing gate; ignores a gate that cannot be read."""
    try:
        before = GateResults.read(path).made_of if path.is_file() else now
    except CowestError:
        return
    for name, rows in now.items():
        if before.get(name, rows) != rows:
            say(f"gate: the {name} rows are not those of the previous gate; it is made again from these")


def _cost_of(models: Mapping[str, ModelConfig]) -> CostOf:
    """The cost of a call at the recipe's price, if it names one, or else as recorded when it was paid."""

    def cost(role: str, completion: Completion) -> float | None:
        model = models[role]
        return completion.cost_usd if model.price is None else model.cost_usd(completion.usage)

    return cost


def _target(config: GateConfig, rows: Sequence[MeasuredExample], in_usd: bool) -> Target:
    if config.max_cost_usd is not None and not in_usd:
        raise InputError(_NO_PRICE.format(calls="The calls are kept and are not paid for again."))
    if len(rows) < 2:
        raise InputError("The gate needs at least two validation examples that were answered.")
    return Target(config.min_accuracy, config.max_cost_usd)


def _with_arms(rows: Sequence[MeasuredExample], policy: Policy) -> list[MeasuredExample]:
    return [
        row if row.error is not None else row.model_copy(update={"arm": policy.arm(row.confidence)}) for row in rows
    ]
