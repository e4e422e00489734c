"""The evaluation on the page: dots of methods and comparisons, the curve over rounds, cost and calls."""

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
    """A method's cost per query and its score; `kind` is a CSS class."""

    name: str
    cost_usd: float
    value: float
    ci95: tuple[float, float] | None
    kind: str


@dataclass(frozen=True)
class Trend:
    """A curve, and its numbers as text."""

    plot: Markup
    numbers: list[tuple[str, str]]


class RoleUse(NamedTuple):
    """Calls and tokens of a role in one part of a run."""

    calls: int
    prompt: int
    completion: int


def by_round(results: EvaluationResults) -> Trend | None:
    """The pair's headline metric before alignment and after each round; None with fewer than two points."""
    metric = results.headline_metric
    scored = {
        row.round: row.metrics[metric]
        for name, row in results.rows.items()
        if (name in (COLLABORATE, COLLABORATE_SFT) or round_of(name) is not None)
        and row.round is not None
        and metric in row.metrics
    }
    if len(scored) < 2:
        return None
    points = sorted(scored.items())
    return Trend(
        plots.trend([(number, each.value, each.ci95) for number, each in points]),
        [(words.count(number), words.estimate(each.value, each.ci95)) for number, each in points],
    )


def method_dots(results: EvaluationResults) -> dict[str, Markup]:
    """The methods' dots for the headline metric by name; the shared axis under ""."""
    scored = _scored(results)
    axis = plots.axis([bound for each in scored.values() for bound in (each.value, *(each.ci95 or ()))])
    dots = {
        name: plots.interval(each.value, each.ci95, axis, kind=_kind(results, name)) for name, each in scored.items()
    }
    return {"": plots.scale(axis), **dots}


def comparison_dots(results: EvaluationResults) -> dict[str, Markup]:
    """The comparisons' dots by index; the shared axis, which includes 0, under ""."""
    bounds = [bound for each in results.comparisons for bound in (each.difference, *(each.ci95 or ()))]
    axis = plots.axis([0.0, *bounds])
    dots = {
        str(index): plots.interval(each.difference, each.ci95, axis, kind=tone(each.verdict))
        for index, each in enumerate(results.comparisons)
    }
    return {"": plots.scale(axis), **dots}


def cost_points(results: EvaluationResults) -> list[CostPoint]:
    """The methods with a known cost and a score; empty where all cost the same, so that there is no trade-off."""
    points = []
    for name, score in _scored(results).items():
        cost = results.cost_per_query(name)
        if cost is not None:
            points.append(CostPoint(name, cost, score.value, score.ci95, _kind(results, name)))
    return points if len({point.cost_usd for point in points}) > 1 else []


def use_by_role(rounds: list[FeedbackSummary], results: EvaluationResults | None) -> dict[str, list[RoleUse]]:
    """Calls and tokens by role: first those of feedback, then those of the evaluation."""
    methods = list(results.methods.values()) if results else []
    parts: list[list[FeedbackSummary] | list[MethodResult]] = [rounds, methods]
    totals = [(add_calls(each.calls for each in part), add_usage(each.usage for each in part)) for part in parts]
    names = dict.fromkeys(role for calls, usage in totals for role in (*calls, *usage))
    return {role: [_role_use(role, calls, usage) for calls, usage in totals] for role in names}


def money_by_stage(rounds: dict[int, FeedbackSummary], results: EvaluationResults | None) -> dict[str, float | None]:
    """USD of each round of feedback and each row of the evaluation; None where unknown."""
    money = {f"Feedback, round {number}": each.cost_usd for number, each in rounds.items()}
    for name, row in (results.methods if results else {}).items():
        money[f"Evaluation: {label(name)}"] = row.cost_usd
    return money


def _role_use(role: str, calls: dict[str, int], usage: dict[str, Usage]) -> RoleUse:
    tokens = usage.get(role, Usage())
    return RoleUse(calls.get(role, 0), tokens.prompt_tokens, tokens.completion_tokens)


def _scored(results: EvaluationResults) -> dict[str, Estimate]:
    metric = results.headline_metric
    return {name: row.metrics[metric] for name, row in results.methods.items() if metric in row.metrics}


def _kind(results: EvaluationResults, name: str) -> str:
    return "pair" if name == results.pair else "plain"
