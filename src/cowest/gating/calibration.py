"""Learns on validation who should answer, the draft alone, the strong model alone or both; then tries it on test."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cowest import runs, statistics, synchronous
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.gating import ARMS, Arm, Family, Outcomes, Policy, Target, choose, cross_validated
from cowest.gating.config import GateConfig
from cowest.gating.measurement import CostOf, MeasuredExample, is_priced, measure, outcomes_of, without_failures
from cowest.gating.provenance import report_changes, rows_of
from cowest.gating.search import picked, required
from cowest.gating.table import draw_gate, gate_page
from cowest.models import ModelConfig
from cowest.tasks.base import Task
from cowest.types import Completion, Example

RESULT = "gate.json"
USD, TOKENS = "usd", "strong_tokens"
TEMPLATES = ("solo_chain_of_thought", "refine")
_NO_PRICE = (
    "serve.gate.max_cost_usd is set, but the calls have no price. Write strong.price: {{input: .., output: ..}} "
    "(USD per million tokens; weak.price too if its calls cost), or aim at min_accuracy, which then saves tokens of "
    "the strong model. {calls}"
)
_CURVE_POINTS = 25
"""Points of the curve that are cross-validated; each is a search in each fold."""


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
    num_in_flight: int = 64,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Chooses a policy on `validation`, applies it to `test`, and writes gate.json, gate.md and the curve to `out`.

    On validation each example is a draft, the strong model alone, and both. On test it is a draft and both, which the
    policy is compared with; the strong model alone is asked only where the policy says so.

    Args:
        validation: what is learned from; `config.limit` takes the first so many.
        test: what the policy is then tried on; may be empty. Nothing is learned from it.
        models: the recipe's sections "weak" and "strong", for prices.
        seed: of the folds and of the bootstrap.

    Returns:
        What gate.json holds.

    Raises:
        InputError: the gate is not to be calibrated, the weak model gives no log-probabilities, or a target in money
            is aimed at without prices.
        EndpointError: an endpoint failed for good, or every example failed.
    """
    check_gate(config, models)
    learned_from = validation[: config.limit]
    if len(learned_from) < 2:
        raise InputError(
            f"The gate needs at least two validation examples, and there are {len(learned_from)}. Give task.validation "
            "a file with more rows, or serve.gate.limit a larger number. Nothing was called."
        )
    rows = rows_of(learned_from, test)
    report_changes(out / RESULT, rows, say)
    cost_of = _cost_of(models)
    measured = measure("validation", learned_from, pair, task, cost_of, num_in_flight)
    kept = without_failures(measured)
    in_usd = is_priced(kept)
    target = _target(config, kept, in_usd)
    arms = allowed_arms(pair)
    outcomes = outcomes_of(kept, in_usd=in_usd)
    family = Family(outcomes, arms)
    policy, met = choose(outcomes, target, arms, family)
    result: dict[str, Any] = {
        "task": task.name,
        "metric": task.metric,
        "cost_unit": USD if in_usd else TOKENS,
        "arms": list(arms),
        "target": {"min_accuracy": config.min_accuracy, "max_cost_usd": config.max_cost_usd},
        "min_accuracy": None if target.max_cost is not None else required(outcomes, target),
        "met": met,
        "most_accurate": float(family.accuracy.max()),
        "cheapest": float(family.cost.min()),
        "policy": policy.model_dump(mode="json"),
        "validation": _numbers(measured, outcomes, outcomes.arms_by(policy), seed)
        | {"alone": {arm: _of(outcomes, [arm] * len(kept), seed) for arm in arms}}
        | _held_out(outcomes, target, arms, family, seed),
        "test": None,
    }
    say(f"gate: {policy}" + ("" if met else f"; {unmet(result)}"))
    runs.write_jsonl(out / "validation.jsonl", _with_arms(measured, policy))
    if test:
        tried = measure("test", test, pair, task, cost_of, num_in_flight, lambda sure: (policy.arm(sure), "both"))
        runs.write_jsonl(out / "test.jsonl", _with_arms(tried, policy))
        result["test"] = _on_test(tried, policy, in_usd=in_usd, seed=seed)
    synchronous.run(pair.strong.close())
    result |= {"made_of": rows, "made_for": made_for(pair, config, models)}
    runs.write_text(out / "gate.md", gate_page(result))
    if not draw_gate(result, out / "curve"):
        say("gate: no picture of the curve, which needs matplotlib: pip install 'cowest[bench]'")
    runs.write_json(out / RESULT, result)
    return result


def made_for(pair: Collaboration, config: GateConfig, models: Mapping[str, ModelConfig]) -> dict[str, Any]:
    """What a policy depends on, by name: another model, prompt, sampling, price or target needs another policy."""
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
    """Who may answer: a draft whose format holds no answer cannot stand alone."""
    holds_answer = pair.format.parse("Answer: x").final is not None
    return ARMS if holds_answer else tuple(arm for arm in ARMS if arm != "draft")


def unmet(result: Mapping[str, Any]) -> str:
    """What happens where no policy meets the target, in a sentence."""
    if result["target"]["max_cost_usd"] is not None:
        return (
            f"no policy costs as little as ${result['target']['max_cost_usd']:g} a query on the validation split; this "
            f"is the cheapest there is, at ${result['cheapest']:.3g}"
        )
    return (
        f"no policy is right as often as {result['min_accuracy']:.1%} on the validation split (the best: "
        f"{result['most_accurate']:.1%}), so both models answer everything"
    )


def check_gate(config: GateConfig, models: Mapping[str, ModelConfig]) -> None:
    """Looks for what can be known to stand in a gate's way before anything is called.

    Raises:
        InputError: the gate is not to be calibrated, or the weak model is not asked for log-probabilities.
    """
    if config.kind != "calibrated":
        raise InputError(
            "serve.gate is `always`, so both models answer everything and there is nothing to learn. Write "
            "serve.gate: calibrated, or with a target {kind: calibrated, min_accuracy: 0.9} or {kind: calibrated, "
            "max_cost_usd: 0.001}."
        )
    if models["weak"].gives_logprobs is False:
        raise InputError(
            "The gate reads the probabilities of the weak model's tokens, but this one is not asked for them. Write "
            "weak.options: {logprobs: true} if its endpoint gives them, or leave serve.gate at `always`; they are "
            "never guessed. Nothing was called."
        )
    if config.max_cost_usd is not None and all(
        model.provider == "local" and model.price is None for model in models.values()
    ):
        raise InputError(_NO_PRICE.format(calls="Nothing was called."))


def _cost_of(models: Mapping[str, ModelConfig]) -> CostOf:
    """The recipe's price where it names one, also for a model in this process; else what the call cost when paid."""

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


def _numbers(rows: Sequence[MeasuredExample], outcomes: Outcomes, arms: Sequence[Arm], seed: int) -> dict[str, Any]:
    """What a split came to when these arms answered."""
    return {
        "num_examples": len(rows),
        "num_failed": len(rows) - len(without_failures(rows)),
        "num_without_confidence": int(np.isnan(outcomes.confidence).sum()),
        "gate": _of(outcomes, arms, seed),
    }


def _of(outcomes: Outcomes, arms: Sequence[Arm], seed: int) -> dict[str, Any]:
    found = statistics.mean_interval(picked(outcomes.scores, arms), seed=seed)
    cost = float(picked(outcomes.costs, arms).mean())
    return {
        "accuracy": {"value": found.value, "ci95": [found.low, found.high]},
        "cost_per_query": None if np.isnan(cost) else cost,
        "shares": {arm: arms.count(arm) / len(arms) for arm in ARMS},
    }


def _held_out(outcomes: Outcomes, target: Target, arms: Sequence[Arm], family: Family, seed: int) -> dict[str, Any]:
    """The curve as fitted, and what the choice and the curve come to on examples that were not chosen on."""
    indices = family.curve
    spread = sorted(
        {indices[round(place)] for place in np.linspace(0, len(indices) - 1, _CURVE_POINTS)}, key=indices.index
    )
    targets = [target, *(Target(min_accuracy=float(family.accuracy[index])) for index in spread)]
    chosen, *along = cross_validated(outcomes, targets, arms, seed=seed)

    def point(accuracy: float, cost: float) -> dict[str, Any]:
        return {"cost_per_query": cost, "accuracy": accuracy}

    curve = [
        point(float(family.accuracy[index]), float(family.cost[index]))
        | {"policy": family.policy(index).model_dump(mode="json")}
        for index in indices
    ]
    cross = [
        point(float(picked(outcomes.scores, each).mean()), float(picked(outcomes.costs, each).mean())) for each in along
    ]
    return {"cross_validated": _of(outcomes, chosen, seed), "curve": curve, "cross_validated_curve": cross}


def _on_test(rows: Sequence[MeasuredExample], policy: Policy, *, in_usd: bool, seed: int) -> dict[str, Any]:
    kept = without_failures(rows)
    outcomes = outcomes_of(kept, in_usd=in_usd)
    arms = outcomes.arms_by(policy)
    always: list[Arm] = ["both"] * len(kept)
    difference = statistics.paired_difference(picked(outcomes.scores, arms), picked(outcomes.scores, always), seed=seed)
    return _numbers(rows, outcomes, arms, seed) | {
        "alone": {arm: _of(outcomes, [arm] * len(kept), seed) for arm in ("draft", "both")},
        "difference_to_both": {
            "difference": difference.difference,
            "ci95": [difference.low, difference.high],
            "p_value": difference.p_value,
        },
    }


def _with_arms(rows: Sequence[MeasuredExample], policy: Policy) -> list[MeasuredExample]:
    return [
        row if row.error is not None else row.model_copy(update={"arm": policy.arm(row.confidence)}) for row in rows
    ]
