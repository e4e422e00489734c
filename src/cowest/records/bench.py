"""bench/bench.json: the rows of the paper's table, its sweeps, and which of its claims hold on this task."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt

from cowest.records.base import Part
from cowest.records.measures import Difference, Estimate
from cowest.records.results import Comparison, EvaluationResults, MethodResult
from cowest.records.shown import ShownDocument, TableRow
from cowest.types import omitted_if_none

BEATS_EACH = "collaboration_beats_each_alone"
"""The claim that contrasts the pair with each model alone."""

PaidCalls = Annotated[float, Field(ge=0, allow_inf_nan=False)]

ClaimOutcome = Literal["reproduced", "not reproduced", "inconclusive"]


class BenchRow(MethodResult):
    """A row of the table or a point of a sweep.

    Attributes:
        name: its name in the bench.
        state: a "failed" row has a reason and no metrics.
        run, method: the folder of the run it comes from, and its method there.
        format, aligned: in the sweep over formats.
        pairs: in the sweep over preference pairs.
        weak, strong, row: the two models and the method, in the sweep over models.
        kind: of feedback, in the sweep with equal numbers of pairs; `pairs` is then that number with the first seed.
        alignment: in the sweep over calls, whose `round` is that of the alignment: its name in `bench.align`, or "own";
            None before alignment.
        queries: there, where it is one round of so many.
        paid_calls: there, by role: what strong model and judges were called for up to that round, equal calls once; the
            mean over seeds. None where it is not known.
        by_seed: where training changes the row, and there are several seeds: the headline metric with each. `metrics`
            are then means over these seeds, with intervals that cover other seeds too; `num_failed` and `num_unparsed`
            are of the seed with the most, and calls, usage, cost and latency those of the first.
        failed_seeds: why it failed with a further seed, which then does not count.
    """

    name: str
    state: Literal["done", "failed"] = "done"
    run: str = ""
    method: str = ""
    reason: str | None = omitted_if_none()
    format: str | None = omitted_if_none()
    aligned: bool | None = omitted_if_none()
    pairs: NonNegativeInt | None = omitted_if_none()
    weak: str | None = omitted_if_none()
    strong: str | None = omitted_if_none()
    row: str | None = omitted_if_none()
    kind: str | None = omitted_if_none()
    alignment: str | None = omitted_if_none()
    queries: NonNegativeInt | None = omitted_if_none()
    paid_calls: dict[str, PaidCalls] | None = omitted_if_none()
    by_seed: dict[str, float] | None = omitted_if_none()
    failed_seeds: dict[str, str] | None = omitted_if_none()

    @property
    def num_seeds(self) -> int:
        """With how many training seeds it was measured."""
        return len(self.by_seed or ()) or 1

    @property
    def num_paid_calls(self) -> float | None:
        """Paid calls of all roles, in the sweep over calls."""
        return None if self.paid_calls is None else sum(self.paid_calls.values())


class Contrast(Difference):
    """By how much `a` exceeds `b` on the same examples, as the claim says it does.

    Attributes:
        metric: of both.
        num_seeds: of training that the difference is over; None where neither row depends on training.
    """

    a: str
    b: str
    metric: str = ""
    num_seeds: int | None = omitted_if_none()

    def as_comparison(self) -> Comparison:
        """The contrast in the shape of an evaluation's comparison."""
        return Comparison(
            a=self.a,
            b=self.b,
            metric=self.metric,
            difference=self.difference,
            ci95=self.ci95,
            p_value=self.p_value,
            smallest_difference=self.smallest_difference,
        )


class Claim(Part):
    """A claim of the paper, the measurements for it, and its outcome on this task.

    Attributes:
        p_value: on which the outcome rests; None where nothing could be measured.
        p_holm: the same, corrected by Holm's method for the number of claims that were measured; for information only.
        note: what could not be measured and why, or what else the reader should know.
    """

    name: str
    statement: str = ""
    verdict: ClaimOutcome
    p_value: float | None = None
    contrasts: list[Contrast] = Field(default_factory=list)
    note: str = ""
    p_holm: float | None = None


class ShareOfDrafts(Estimate):
    """A mean share of drafts, over `num_examples` examples in `num_groups` groups (None where each stands alone)."""

    num_examples: NonNegativeInt = 0
    num_groups: NonNegativeInt | None = omitted_if_none()


class BenchCell(Part):
    """One run of the bench: its folder, the reason if it failed, and its seconds."""

    run: str
    reason: str | None = None
    wall_s: float | None = None


class BenchResults(ShownDocument):
    """bench.json. `print` shows it as tables, a notebook as HTML; `to_pandas` has its rows and points.

    Attributes:
        num_groups: as in results.json.
        rows: the table.
        seeds: of training; the rows that depend on it are means over them.
        sweeps: "formats", "pairs", "equal_pairs", "models", "rounds" and "calls", each a list of points.
        unhelpful_share: the share of drafts that do not beat the strong model alone, "before" and "after" alignment;
            None where no drafts were graded for it.
        cells: the runs by name.
    """

    run: str = ""
    task: str | None = None
    metric: str | None = None
    num_examples: NonNegativeInt | None = None
    num_groups: NonNegativeInt | None = None
    seed: int | None = None
    seeds: list[int] = Field(default_factory=list)
    rows: list[BenchRow] = Field(default_factory=list)
    sweeps: dict[str, list[BenchRow]] = Field(default_factory=dict)
    unhelpful_share: dict[str, ShareOfDrafts] | None = None
    claims: list[Claim] = Field(default_factory=list)
    cells: dict[str, BenchCell] = Field(default_factory=dict)

    DRAWN_BY: ClassVar[str] = "cowest.bench.table:draw_bench"

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Its task, its size, the headline metric of each row, and the outcomes of the claims."""
        yield from (("task", self.task), ("metric", self.metric), ("num_examples", self.num_examples))
        yield "rows", {row.name: row.headline_text(self.metric or "") for row in self.rows}
        yield "claims", {claim.name: claim.verdict for claim in self.claims}

    def table_rows(self) -> list[TableRow]:
        """The rows of the table, whose `sweep` is None, and the points of each sweep; see `to_pandas`."""
        rows = [(None, row) for row in self.rows]
        points = [(sweep, point) for sweep, points in self.sweeps.items() for point in points]
        return [
            {
                "sweep": sweep,
                "name": row.name,
                "state": row.state,
                "num_seeds": row.num_seeds,
                "paid_calls": row.num_paid_calls,
                **row.table_row(self.metric_names, self.num_examples or 0),
            }
            for sweep, row in (*rows, *points)
        ]

    @property
    def metric_names(self) -> list[str]:
        """Every metric, the headline first."""
        names = [name for row in self.rows for name in row.metrics]
        return list(dict.fromkeys([*([self.metric] if self.metric else []), *names]))

    def points(self) -> list[BenchRow]:
        """The points of all sweeps."""
        return [point for points in self.sweeps.values() for point in points]

    def as_results(self) -> EvaluationResults:
        """The rows in the shape of an evaluation, for a headline where the run itself was not evaluated."""
        contrasts = [each for claim in self.claims if claim.name == BEATS_EACH for each in claim.contrasts]
        return EvaluationResults(
            task=self.task or "",
            metric=self.metric or "",
            num_examples=self.num_examples or 0,
            num_groups=self.num_groups,
            seed=self.seed,
            methods={row.name: row for row in self.rows if row.metrics},
            comparisons=[each.as_comparison() for each in contrasts],
        )
