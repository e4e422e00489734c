"""What a person looks at of a gate: the trade-off of accuracy and cost as a table and as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cowest import words
from cowest.gating import Policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9762b", "#777777"
NAMES = {"draft": "draft alone", "strong": "strong model alone", "both": "both"}
HEADINGS = ("split", "who answers", "accuracy", "cost/1,000", "draft", "strong", "both")
_ROWS = 12


def gate_page(result: Mapping[str, Any]) -> str:
    """gate.json as Markdown: the policy, both splits in one table, and the curve."""
    lines = [
        f"# Gate of {result['task']}",
        "",
        f"Policy, by the confidence of the draft: {Policy.model_validate(result['policy'])}.",
        aim(result),
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|" + "---|" * len(HEADINGS),
        *(f"| {' | '.join(cells)} |" for cells in table(result)),
        "",
        *sentences(result),
        "",
        "## Trade-off on the validation split, as fitted",
        "",
        "| accuracy | cost/1,000 | policy |",
        "|---|---|---|",
    ]
    lines += [
        f"| {words.percent(point['accuracy'])} | {cost(point['cost_per_query'], result)} | "
        f"{Policy.model_validate(point['policy'])} |"
        for point in _thinned(result["validation"]["curve"])
    ]
    return "\n".join(lines) + "\n"


def table(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What each split came to under each arm alone and under the gate: rows of cells under `HEADINGS`."""
    validation, test = result["validation"], result["test"]
    rows = [_row("validation", NAMES[arm], found, result) for arm, found in validation["alone"].items()]
    rows.append(_row("validation", "gate, as fitted", validation["gate"], result))
    rows.append(_row("validation", "gate, cross-validated", validation["cross_validated"], result))
    if test is not None:
        rows += [_row("test", NAMES[arm], found, result) for arm, found in test["alone"].items()]
        rows.append(_row("test", "gate", test["gate"], result))
    return rows


def sentences(result: Mapping[str, Any]) -> list[str]:
    """What the numbers of a gate come to, in Markdown: on examples left out, on test, and what counts nowhere."""
    validation, test = result["validation"], result["test"]
    lines = _held_out(validation["cross_validated"], result)
    if test is not None:
        lines.append(_on_test(test, result))
    else:
        lines.append("There is no test split, so nothing says how the policy does on other data.")
    for name, split in (("validation", validation), ("test", test)):
        if split is not None and split["num_failed"]:
            lines.append(f"{words.plural(split['num_failed'], 'example')} of {name} failed and count nowhere.")
        if split is not None and split["num_without_confidence"]:
            number = words.plural(split["num_without_confidence"], "draft")
            lines.append(f"{number} of {name} had no confidence to go by (cut off, or no log-probabilities): both.")
    return lines


def draw_gate(result: Mapping[str, Any], path: Path) -> bool:
    """Draws the curve as PNG and SVG; whether matplotlib is there to do so."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # A hash instead of a random number, and no date: the same numbers give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "cowest", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        _fill(figure.subplots(), result)
        figure.savefig(path.with_suffix(".png"), dpi=160)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    return True


def _fill(axes: "Axes", result: Mapping[str, Any]) -> None:
    validation, test, in_usd = result["validation"], result["test"], result["cost_unit"] == "usd"
    for name, label, colour, style in (
        ("curve", "validation, as fitted", _BLUE, "-"),
        ("cross_validated_curve", "validation, cross-validated", _GREY, "--"),
    ):
        points = sorted((1000 * point["cost_per_query"], 100 * point["accuracy"]) for point in validation[name])
        costs, accuracies = zip(*points, strict=True)
        axes.plot(costs, accuracies, color=colour, linestyle=style, label=label)
    dearest = max(found["cost_per_query"] for found in validation["alone"].values())
    for arm, found in validation["alone"].items():
        is_right = found["cost_per_query"] > dearest / 2
        place = 1000 * found["cost_per_query"], 100 * found["accuracy"]["value"]
        axes.plot(*place, "s", color=_GREY)
        axes.annotate(
            f"always {NAMES[arm]}",
            place,
            textcoords="offset points",
            xytext=(0, -17) if arm == "both" else (-9 if is_right else 9, -4),
            ha="right" if is_right else "left",
            color=_GREY,
        )
    chosen = validation["gate"]
    place = 1000 * chosen["cost_per_query"], 100 * chosen["accuracy"]["value"]
    axes.plot(*place, "o", color=_BLUE, label="chosen, validation")
    if test is not None:
        for found, marker, label in ((test["gate"], "D", "chosen, test"), (test["alone"]["both"], "^", "both, test")):
            if found["cost_per_query"] is None:
                continue
            value, (low, high) = found["accuracy"]["value"], found["accuracy"]["ci95"]
            reach = [[max(0.0, 100 * (value - low))], [max(0.0, 100 * (high - value))]]
            axes.errorbar(
                1000 * found["cost_per_query"],
                100 * value,
                yerr=reach,
                fmt=marker,
                color=_ORANGE,
                capsize=2,
                label=label,
            )
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel(("USD" if in_usd else "tokens of the strong model") + " per 1,000 queries")
    axes.set_ylabel(f"{result['metric'].replace('_', ' ')}, %")
    axes.legend(frameon=False, loc="center right")


def aim(result: Mapping[str, Any]) -> str:
    """What the policy was chosen for, in Markdown, and whether it does that where it was chosen."""
    limit, unit = result["target"]["max_cost_usd"], result["cost_unit"]
    target = (
        f"Aim: the most accurate policy for at most {words.money(limit)} a query"
        if limit is not None
        else f"Aim: the cheapest policy that is right at least {words.percent(result['min_accuracy'])} of the time"
        + (" (as both together are)" if result["target"]["min_accuracy"] is None else "")
    )
    met = "met" if result["met"] else "**not met**"
    note = "" if unit == "usd" else " No prices are known, so cost is counted in tokens of the strong model."
    return f"{target}, on the validation split: {met}.{note}"


def _row(split: str, name: str, found: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[str, ...]:
    accuracy, (low, high) = found["accuracy"]["value"], found["accuracy"]["ci95"]
    shares = (words.percent(found["shares"][arm]) for arm in NAMES)
    shown = f"{words.percent(accuracy)} {words.interval((low, high))}"
    return split, name, shown, cost(found["cost_per_query"], result), *shares


def _held_out(found: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Says so where the aim is met only on the examples that the policy was chosen on."""
    if not result["met"] or _keeps(found, result):
        return []
    return [
        "Chosen without the examples that they are tried on, policies for this aim come to "
        f"{words.percent(found['accuracy']['value'])} at {cost(found['cost_per_query'], result)} per 1,000 queries, "
        "which misses it: expect that rather than what is fitted, or leave a margin."
    ]


def _keeps(found: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    limit = result["target"]["max_cost_usd"]
    if limit is not None:
        return bool(found["cost_per_query"] <= limit * (1 + 1e-9))
    return bool(found["accuracy"]["value"] >= result["min_accuracy"] - 1e-9)


def _on_test(test: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    found, dear = test["difference_to_both"], test["alone"]["both"]["cost_per_query"]
    low, high = found["ci95"]
    cheap = test["gate"]["cost_per_query"]
    counted = "cost" if result["cost_unit"] == "usd" else "strong model's tokens"
    if cheap is None or dear is None:
        saved = "at a cost that is not known, since some calls of test have no price"
    else:
        saved = f"for {words.percent(1 - cheap / dear if dear else 0.0)} less of the {counted}"
    if test["gate"]["shares"]["both"] == 1:
        return "On test the policy has both answer everything, so nothing is won or lost."
    kept, target = "", result["target"]
    if target["min_accuracy"] is not None or (target["max_cost_usd"] is not None and cheap is not None):
        kept = f" The aim is {'kept' if _keeps(test['gate'], result) else '**missed**'} on test."
    return (
        f"On test, against both answering everything: {words.points(found['difference'])} points "
        f"{words.interval((low, high))}, p {words.p_value(found['p_value'])}, {saved}.{kept}"
    )


def cost(a_query: float | None, result: Mapping[str, Any]) -> str:
    """Of a thousand queries, since one alone may cost next to nothing."""
    if a_query is None:
        return words.money(None)
    return words.money(1000 * a_query) if result["cost_unit"] == "usd" else f"{1000 * a_query:,.0f} tokens"


def _thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(points) <= _ROWS:
        return points
    return [points[round(place * (len(points) - 1) / (_ROWS - 1))] for place in range(_ROWS)]
