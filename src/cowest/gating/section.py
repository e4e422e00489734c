"""The gate in `cowest show` and on the page of a run: one line, and a section with a plot."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cowest import plots, words
from cowest.gating.table import HEADINGS, NAMES, accuracy_text, aim, cost_text, curve_points, sentences, table
from cowest.records import GateResults
from cowest.records.gate import Answered

WIDE, TALL, LEFT, TOP = 520, 220, 40, 12


@dataclass(frozen=True)
class GateSection:
    """The contents of the page's section.

    Attributes:
        plot: accuracy against cost, with numbered `points`.
        headings, rows: of the table.
        made_of: the rows on which the gate was learned and tested; empty where unknown.
    """

    policy: str
    aim: str
    sentences: list[str]
    metric: str
    plot: Markup
    points: list[str]
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    made_of: str


def gate_line(result: GateResults) -> str:
    """The gate of a run in one sentence: the policy and its results on test."""
    test = result.test
    missed = "" if result.met else " (its aim is not met on validation)"
    if test is None:
        return f"Gate: {result.policy}{missed}; not tried, since there is no test split."
    difference = test.difference_to_both
    return (
        f"Gate: {result.policy}{missed}; on test {accuracy_text(test.gate)} at "
        f"{cost_text(test.gate.cost_per_query, result)} per 1,000 queries, both on everything "
        f"{cost_text(test.alone['both'].cost_per_query, result)}; difference "
        f"{words.points(difference.difference)} points {words.interval(difference.ci95)}."
    )


def gate_section(result: GateResults) -> GateSection:
    """The section of a gate on the page of its run."""
    points = _points(result)
    return GateSection(
        policy=str(result.policy),
        aim=_plain(aim(result)),
        sentences=[_plain(each) for each in sentences(result)],
        metric=result.metric.replace("_", " "),
        plot=_plot(result, [answered for _, answered in points]),
        points=[
            f"{name}: {accuracy_text(answered)} for {cost_text(answered.cost_per_query, result)} per 1,000"
            for name, answered in points
        ],
        headings=HEADINGS,
        rows=table(result),
        made_of="; ".join(
            f"{words.plural(rows.num_examples, f'{split} row')} (SHA-256 {rows.sha256[:12]})"
            for split, rows in result.made_of.items()
            if rows.num_examples
        ),
    )


def _points(result: GateResults) -> list[tuple[str, Answered]]:
    """The results of the gate, then of each arm alone; on test where measured, else on validation."""
    validation, test = result.validation, result.test
    if test is None:
        gate = ("gate on validation, cross-validated", validation.cross_validated)
    else:
        gate = ("gate on test", test.gate)
    tested = {} if test is None else test.alone
    return [
        gate,
        *(
            (f"{NAMES[arm]} on {'test' if arm in tested else 'validation'}", tested.get(arm, answered))
            for arm, answered in validation.alone.items()
        ),
    ]


def _plot(result: GateResults, points: Sequence[Answered]) -> Markup:
    """Draws accuracy in percent (up) against cost from 0 (right): both curves, and the points numbered from 1."""
    curves = [
        ("line held-out", curve_points(result.validation.cross_validated_curve)),
        ("line", curve_points(result.validation.curve)),
    ]
    shares = [accuracy for _, curve in curves for _, accuracy in curve]
    shares += [bound for each in points for bound in (each.accuracy.value, *(each.accuracy.ci95 or ()))]
    axis = plots.axis(shares)
    costs = [place for _, curve in curves for place, _ in curve]
    max_cost = max([*costs, *(each.cost_per_query or 0.0 for each in points)]) or 1.0

    def x(place: float) -> float:
        return round(LEFT + 14 + (WIDE - LEFT - 40) * place / max_cost, 1)

    def y(accuracy: float) -> float:
        return round(TOP + TALL * (axis.high - accuracy) / (axis.high - axis.low), 1)

    drawn = plots.grid(axis, y, LEFT, WIDE)
    drawn += [
        f'<text x="{x(place)}" y="{TOP + TALL + 18}" text-anchor="{anchor}">{cost_text(place, result)}</text>'
        for place, anchor in ((0.0, "start"), (max_cost, "end"))
    ]
    for kind, curve in curves:
        path = " ".join(f"{x(place)},{y(accuracy)}" for place, accuracy in curve)
        drawn.append(f'<polyline class="{kind}" points="{path}"/>')
    for number, each in reversed(list(enumerate(points, 1))):  # draws the gate last, above the others
        if each.cost_per_query is None or each.accuracy.ci95 is None:
            continue
        at, value, (low, high) = x(each.cost_per_query), each.accuracy.value, each.accuracy.ci95
        drawn.append(
            f'<g class="interval {"pair" if number == 1 else "plain"}">'
            f'<line class="span" x1="{at}" x2="{at}" y1="{y(low)}" y2="{y(high)}"/>'
            f'<circle class="dot" cx="{at}" cy="{y(value)}" r="9"/>'
            f'<text class="mark" x="{at}" y="{y(value) + 4}" text-anchor="middle">{number}</text></g>'
        )
    return Markup(
        f'<svg class="tradeoff" viewBox="0 0 {WIDE} {TOP + TALL + 26}" aria-hidden="true">{"".join(drawn)}</svg>'
    )


def _plain(sentence: str) -> str:
    """The sentence without Markdown."""
    return sentence.replace("**", "")
