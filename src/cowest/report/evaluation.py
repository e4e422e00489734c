"""What the page draws of an evaluation: dots and intervals of methods, comparisons and rounds, cost, and calls."""

from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from cowest import plots, words
from cowest.method_names import COLLABORATE, COLLABORATE_SFT, label, round_of
from cowest.records import Estimate, EvaluationResults, FeedbackSummary, MethodResult
from cowest.records.spend import add_calls, add_usage
from cowest.report.tones import tone
from cowest.types import Usage


class CostPoint(NamedTuple):
    """A method's cost a query and its score; `kind` is a class name of ours."""

    name: str
    cost_usd: float
    value: float
    ci95: tuple[float, float] | None
    kind: str


@dataclass(frozen=True)
class Trend:
    """A curve, and its numbers in words."""

    plot: Markup
    numbers: list[tuple[str, str]]


class RoleUse(NamedTuple):
    """Calls and tokens of a role in one part of a run."""

    calls: int
    prompt: int
    completion: int


def by_round(results: EvaluationResults) -> Trend | None:
    """The pair's headline metric before alignment and after each round; None below two points."""
    metric = results.headline_metric
    scored = {
        row.round: row.metrics[metric]
        for name, row in results.methods.items()
        if (name in (COLLABORATE, COLLABORATE_SFT) or round_of(name) is not None)
        and row.round is not None
        and metric in row.metrics
    }
    if len(scored) < 2:
        return None
    found = sorted(scored.items())
    return Trend(
        plots.trend([(number, each.value, each.ci95) for number, each in found]),
        [(words.count(number), f"{words.percent(each.value)} {words.interval(each.ci95)}") for number, each in found],
    )


def method_dots(results: EvaluationResults) -> dict[str, Markup]:
    """The methods' dots on one axis, by name, and the axis under "": both for the headline metric."""
    scored = _scored(results)
    on = plots.axis([bound for each in scored.values() for bound in (each.value, *(each.ci95 or ()))])
    dots = {name: plots.interval(each.value, each.ci95, on, kind=_kind(results, name)) for name, each in scored.items()}
    return {"": plots.scale(on), **dots}


def comparison_dots(results: EvaluationResults) -> dict[str, Markup]:
    """The comparisons' dots by their index, and the axis under ""; the axis always shows 0."""
    bounds = [bound for each in results.comparisons for bound in (each.difference, *(each.ci95 or ()))]
    on = plots.axis([0.0, *bounds])
    dots = {
        str(index): plots.interval(each.difference, each.ci95, on, kind=tone(each.verdict))
        for index, each in enumerate(results.comparisons)
    }
    return {"": plots.scale(on), **dots}


def cost_points(results: EvaluationResults) -> list[CostPoint]:
    """The methods with a cost and a score; empty where all cost the same, so that there is nothing to weigh."""
    found = []
    for name, score in _scored(results).items():
        cost = results.cost_per_query(name)
        if cost is not None:
            found.append(CostPoint(name, cost, score.value, score.ci95, _kind(results, name)))
    return found if len({point.cost_usd for point in found}) > 1 else []


def use_by_role(rounds: list[FeedbackSummary], results: EvaluationResults | None) -> dict[str, list[RoleUse]]:
    """Calls and tokens by role: those of feedback, then those of the evaluation."""
    methods = list(results.methods.values()) if results else []
    parts: list[list[FeedbackSummary] | list[MethodResult]] = [rounds, methods]
    found = []
    for part in parts:
        calls, usage = add_calls(each.calls for each in part), add_usage(each.usage for each in part)
        found.append((calls, usage))
    names = dict.fromkeys(role for calls, usage in found for role in (*calls, *usage))
    return {role: [_use(role, calls, usage) for calls, usage in found] for role in names}


def money_by_stage(rounds: dict[int, FeedbackSummary], results: EvaluationResults | None) -> dict[str, float | None]:
    """USD of each round of feedback and of each row of the evaluation; None where it is unknown."""
    money = {f"Feedback, round {number}": each.cost_usd for number, each in rounds.items()}
    for name, row in (results.methods if results else {}).items():
        money[f"Evaluation: {label(name)}"] = row.cost_usd
    return money


def _use(role: str, calls: dict[str, int], usage: dict[str, Usage]) -> RoleUse:
    tokens = usage.get(role, Usage())
    return RoleUse(calls.get(role, 0), tokens.prompt_tokens, tokens.completion_tokens)


def _scored(results: EvaluationResults) -> dict[str, Estimate]:
    metric = results.headline_metric
    return {name: row.metrics[metric] for name, row in results.methods.items() if metric in row.metrics}


def _kind(results: EvaluationResults, name: str) -> str:
    return "pair" if name == results.pair else "plain"
