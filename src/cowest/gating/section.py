"""What `cowest show` and the page of a run say of its gate: one line, and a section with its picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from cowest import plots, words
from cowest.gating import Policy
from cowest.gating.table import HEADINGS, NAMES, aim, cost, sentences, table

WIDE, TALL, LEFT, TOP = 520, 220, 40, 12


def gate_line(result: Mapping[str, Any]) -> str:
    """The gate of a run in one sentence: the policy, and what it did on test.

    Args:
        result: what gate.json holds.
    """
    policy, test = Policy.model_validate(result["policy"]), result["test"]
    missed = "" if result["met"] else " (its aim is not met on validation)"
    if test is None:
        return f"Gate: {policy}{missed}; not tried, since there is no test split."
    found, difference = test["gate"], test["difference_to_both"]
    return (
        f"Gate: {policy}{missed}; on test {_share(found)} at {cost(found['cost_per_query'], result)} per 1,000 "
        f"queries, both on everything {cost(test['alone']['both']['cost_per_query'], result)}; difference "
        f"{words.points(difference['difference'])} points {words.interval(difference['ci95'])}."
    )


def gate_section(result: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of the page's section.

    Returns:
        `policy` and `aim` in words, the other `sentences`, `metric`, `plot`, what its numbered `points` are, `headings`
        and `rows` of the table, and `made_of`, empty where that is not known.
    """
    points = _points(result)
    return {
        "policy": str(Policy.model_validate(result["policy"])),
        "aim": _plain(aim(result)),
        "sentences": [_plain(each) for each in sentences(result)],
        "metric": str(result["metric"]).replace("_", " "),
        "plot": _plot(result, [found for _, found in points]),
        "points": [
            f"{name}: {_share(found)} for {cost(found['cost_per_query'], result)} per 1,000" for name, found in points
        ],
        "headings": HEADINGS,
        "rows": table(result),
        "made_of": "; ".join(
            f"{words.plural(rows['num_examples'], f'{split} row')} (SHA-256 {rows['sha256'][:12]})"
            for split, rows in result.get("made_of", {}).items()
            if rows["num_examples"]
        ),
    }


def _points(result: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The gate first, then each arm alone; on test where that was measured, else on validation."""
    validation, test = result["validation"], result["test"]
    if test is None:
        gate = ("gate on validation, cross-validated", validation["cross_validated"])
    else:
        gate = ("gate on test", test["gate"])
    tried = {} if test is None else test["alone"]
    return [
        gate,
        *(
            (f"{NAMES[arm]} on {'test' if arm in tried else 'validation'}", tried.get(arm, found))
            for arm, found in validation["alone"].items()
        ),
    ]


def _plot(result: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> Markup:
    """Accuracy in percent, up, against cost from 0, to the right: both curves, and the points numbered from 1."""
    curves = [
        ("line held-out", sorted(_places(result["validation"]["cross_validated_curve"]))),
        ("line", sorted(_places(result["validation"]["curve"]))),
    ]
    shares = [share for _, curve in curves for _, share in curve]
    shares += [bound for each in points for bound in (each["accuracy"]["value"], *each["accuracy"]["ci95"])]
    on = plots.axis(shares)
    costs = [place for _, curve in curves for place, _ in curve]
    dearest = max([*costs, *(each["cost_per_query"] or 0.0 for each in points)]) or 1.0

    def x(place: float) -> float:
        return round(LEFT + 14 + (WIDE - LEFT - 40) * place / dearest, 1)

    def y(share: float) -> float:
        return round(TOP + TALL * (on.high - share) / (on.high - on.low), 1)

    drawn = plots.grid(on, y, LEFT, WIDE)
    drawn += [
        f'<text x="{x(place)}" y="{TOP + TALL + 18}" text-anchor="{anchor}">{cost(place, result)}</text>'
        for place, anchor in ((0.0, "start"), (dearest, "end"))
    ]
    for kind, curve in curves:
        path = " ".join(f"{x(place)},{y(share)}" for place, share in curve)
        drawn.append(f'<polyline class="{kind}" points="{path}"/>')
    for number, each in reversed(list(enumerate(points, 1))):  # the gate above the others
        if each["cost_per_query"] is None:
            continue
        at, value, (low, high) = x(each["cost_per_query"]), each["accuracy"]["value"], each["accuracy"]["ci95"]
        drawn.append(
            f'<g class="interval {"pair" if number == 1 else "plain"}">'
            f'<line class="span" x1="{at}" x2="{at}" y1="{y(low)}" y2="{y(high)}"/>'
            f'<circle class="dot" cx="{at}" cy="{y(value)}" r="9"/>'
            f'<text class="mark" x="{at}" y="{y(value) + 4}" text-anchor="middle">{number}</text></g>'
        )
    return Markup(
        f'<svg class="tradeoff" viewBox="0 0 {WIDE} {TOP + TALL + 26}" aria-hidden="true">{"".join(drawn)}</svg>'
    )


def _places(points: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    return [(point["cost_per_query"], point["accuracy"]) for point in points]


def _share(found: Mapping[str, Any]) -> str:
    return f"{words.percent(found['accuracy']['value'])} {words.interval(found['accuracy']['ci95'])}"


def _plain(sentence: str) -> str:
    """Without the marks of Markdown."""
    return sentence.replace("**", "")
