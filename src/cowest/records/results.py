"""evaluate/results.json: every method on the same examples, and how they compare."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, FiniteFloat, NonNegativeInt

from cowest import method_names, words
from cowest.records.base import Part
from cowest.records.measures import Difference, Estimate
from cowest.records.shown import ShownDocument, TableRow
from cowest.types import Usage, omitted_if_none


class Latency(Part):
    """Seconds per query: the median and the 95th percentile."""

    p50: float | None = None
    p95: float | None = None


class Preparation(Part):
    """What a row cost once, before its first query. Training itself makes no calls and is not included.

    Attributes:
        num_examples: training examples that the method worked on.
        num_used: those that were useful to it.
        num_failed: those with a call that got no usable reply; they are left out.
        num_to_explain: training rows for which the strong model was asked for an explanation before SFT.
        rounds: of feedback behind the row's model; `num_queries` and `num_pairs` are over all of them.
        calls, usage: by role, including calls answered from the ledger.
        cost_usd: None where a price is unknown.
    """

    num_examples: NonNegativeInt | None = omitted_if_none()
    num_used: NonNegativeInt | None = omitted_if_none()
    num_failed: NonNegativeInt | None = omitted_if_none()
    num_to_explain: NonNegativeInt | None = omitted_if_none()
    rounds: NonNegativeInt | None = omitted_if_none()
    num_queries: NonNegativeInt | None = omitted_if_none()
    num_pairs: NonNegativeInt | None = omitted_if_none()
    calls: dict[str, NonNegativeInt] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    cost_usd: float | None = None


class MethodResult(Part):
    """One row: a method on all examples.

    Attributes:
        round: of the weak model it uses, 0 after SFT; None where it uses none that was trained.
        metrics: by name; empty where the method failed on every example.
        confusion: how often each gold label (outer key) got each answer (inner key), in tasks with labels.
        num_failed: examples without a reply; they count as wrong.
        num_unparsed: examples whose reply holds no answer, or none that means a label of the task; they count as wrong.
        unparsed_share: the same as a share of all examples.
        calls, usage: by role.
        cost_usd: of all examples; None where a price is unknown.
        failed: why there is no score, where every example failed.
        preparation: None where it needed none, or where it is unknown.
    """

    round: NonNegativeInt | None = None
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    confusion: dict[str, dict[str, NonNegativeInt]] | None = omitted_if_none()
    num_failed: NonNegativeInt = 0
    num_unparsed: NonNegativeInt = 0
    unparsed_share: float | None = omitted_if_none()
    calls: dict[str, NonNegativeInt] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    cost_usd: float | None = None
    latency_s: Latency = Latency()
    failed: str | None = omitted_if_none()
    preparation: Preparation | None = omitted_if_none()

    def table_row(self, metric_names: Sequence[str], num_examples: int) -> TableRow:
        """Its numbers for `to_pandas`: each metric with the bounds of its interval, calls, tokens, money and time."""
        row: TableRow = {}
        for name in metric_names:
            metric = self.metrics.get(name)
            bounds = (None, None) if metric is None or metric.ci95 is None else metric.ci95
            row |= {name: None if metric is None else metric.value, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
        return row | {
            "calls": sum(self.calls.values()),
            "prompt_tokens": sum(each.prompt_tokens for each in self.usage.values()),
            "completion_tokens": sum(each.completion_tokens for each in self.usage.values()),
            "cost_usd": self.cost_usd,
            "cost_usd_per_query": None if self.cost_usd is None or not num_examples else self.cost_usd / num_examples,
            "latency_p50_s": self.latency_s.p50,
            "latency_p95_s": self.latency_s.p95,
            "num_unparsed": self.num_unparsed,
            "num_failed": self.num_failed,
        }

    def headline_text(self, metric: str) -> str:
        """One metric with its interval: "77.0% [72.5, 81.0]"; "no score" where it failed."""
        found = self.metrics.get(metric)
        return "no score" if found is None else words.estimate(found.value, found.ci95)


class Comparison(Difference):
    """By how much `a` is better than `b` on the same examples.

    Attributes:
        help_rate: share of the examples that `a` gets right and `b` wrong; None where the metric has no such rate.
        harm_rate: the other way round.
    """

    a: str
    b: str
    metric: str = ""
    help_rate: float | None = omitted_if_none()
    harm_rate: float | None = omitted_if_none()

    def turned(self) -> Self:
        """The same comparison with `a` and `b` swapped."""
        return self.model_copy(
            update={
                "a": self.b,
                "b": self.a,
                "difference": -self.difference,
                "ci95": None if self.ci95 is None else (-self.ci95[1], -self.ci95[0]),
                "help_rate": self.harm_rate,
                "harm_rate": self.help_rate,
            }
        )


class EvaluationResults(ShownDocument):
    """results.json. `print` shows it as a table, a notebook as HTML; `to_pandas` has a row for each method.

    Attributes:
        metric: the headline metric.
        num_groups: what the examples belong to, those that stand alone counted each; intervals and p-values are over
            these. None where every example stands alone.
        methods: in the order in which they were measured.
        oracle_gap_closed: share of the distance from the better single model to the oracle that the pair closes.
    """

    task: str = ""
    metric: str = ""
    num_examples: NonNegativeInt = 0
    num_groups: NonNegativeInt | None = None
    seed: int | None = None
    methods: dict[str, MethodResult] = Field(default_factory=dict)
    comparisons: list[Comparison] = Field(default_factory=list)
    oracle_gap_closed: FiniteFloat | None = omitted_if_none()
    wall_s: float | None = None
    note: str | None = omitted_if_none()

    DRAWN_BY: ClassVar[str] = "cowest.report.table:draw_results"

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Its task, its size, and the headline metric of each method."""
        yield from (("task", self.task), ("metric", self.headline_metric), ("num_examples", self.num_examples))
        yield "methods", {name: row.headline_text(self.headline_metric) for name, row in self.methods.items()}

    def table_rows(self) -> list[TableRow]:
        """A row for each method; see `to_pandas`."""
        return [
            {"method": name, "round": row.round, **row.table_row(self.metric_names, self.num_examples)}
            for name, row in self.methods.items()
        ]

    @property
    def headline_metric(self) -> str:
        """The named metric, or else the first that any method has."""
        return self.metric or next((name for row in self.methods.values() for name in row.metrics), "")

    @property
    def metric_names(self) -> list[str]:
        """Every metric, the headline first."""
        names = dict.fromkeys([self.headline_metric])
        names |= dict.fromkeys(name for row in self.methods.values() for name in row.metrics)
        return [name for name in names if name]

    @property
    def rows(self) -> dict[str, MethodResult]:
        """The methods to show: without the row of the last round where the pair's own row is the same measurement."""
        pair = self.methods.get(method_names.COLLABORATE)
        same = None if pair is None or pair.round is None else method_names.collaborate_round(pair.round)
        return {name: row for name, row in self.methods.items() if name != same}

    @property
    def pair(self) -> str | None:
        """The method that is the pair in its latest state; None where it was not evaluated."""
        return method_names.pair_of(self.methods)

    def compare(self, a: str, b: str) -> Comparison | None:
        """The headline comparison of two methods, in whichever order the file has them."""
        for comparison in self.comparisons:
            if comparison.metric in ("", self.headline_metric):
                if (comparison.a, comparison.b) == (a, b):
                    return comparison
                if (comparison.a, comparison.b) == (b, a):
                    return comparison.turned()
        return None

    def cost_per_query(self, method: str) -> float | None:
        """USD per query; None where it is unknown."""
        row = self.methods.get(method)
        if row is None or row.cost_usd is None or self.num_examples == 0:
            return None
        return row.cost_usd / self.num_examples
