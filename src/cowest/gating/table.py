"""What a gate does on each split, in a table and in sentences: for gate.md, the page and the terminal."""

from cowest import words
from cowest.records import Arm, GateResults
from cowest.records.gate import Answered, CurvePoint, FittedPoint, GatedTest

NAMES: dict[Arm, str] = {"draft": "draft alone", "strong": "strong model alone", "both": "both"}
HEADINGS = ("split", "who answers", "accuracy", "cost/1,000", "draft", "strong", "both")
_ROWS = 12


def gate_page(result: GateResults) -> str:
    """gate.json as Markdown: the policy, both splits in one table, and the curve."""
    lines = [
        f"# Gate of {result.task}",
        "",
        f"Policy, by the confidence of the draft: {result.policy}.",
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
        f"| {words.percent(point.accuracy)} | {cost(point.cost_per_query, result)} | {point.policy} |"
        for point in _thinned(result.validation.curve)
    ]
    return "\n".join(lines) + "\n"


def table(result: GateResults) -> list[tuple[str, ...]]:
    """What each split came to under each arm alone and under the gate: rows of cells under `HEADINGS`."""
    validation, test = result.validation, result.test
    rows = [_row("validation", NAMES[arm], found, result) for arm, found in validation.alone.items()]
    rows.append(_row("validation", "gate, as fitted", validation.gate, result))
    rows.append(_row("validation", "gate, cross-validated", validation.cross_validated, result))
    if test is not None:
        rows += [_row("test", NAMES[arm], found, result) for arm, found in test.alone.items()]
        rows.append(_row("test", "gate", test.gate, result))
    return rows


def sentences(result: GateResults) -> list[str]:
    """What the numbers of a gate come to, in Markdown: cross-validated, on test, and what counts nowhere."""
    lines = _cross_validated(result.validation.cross_validated, result)
    if result.test is not None:
        lines.append(_on_test(result.test, result))
    else:
        lines.append("There is no test split, so nothing says how the policy does on other data.")
    for name, split in (("validation", result.validation), ("test", result.test)):
        if split is not None and split.num_failed:
            lines.append(f"{words.plural(split.num_failed, 'example')} of {name} failed and count nowhere.")
        if split is not None and split.num_without_confidence:
            number = words.plural(split.num_without_confidence, "draft")
            lines.append(f"{number} of {name} had no confidence to go by (cut off, or no log-probabilities): both.")
    return lines


def aim(result: GateResults) -> str:
    """What the policy was chosen for, in Markdown, and whether it does that where it was chosen."""
    limit = result.target.max_cost_usd
    if limit is not None:
        target = f"Aim: the most accurate policy for at most {words.money(limit)} a query"
    else:
        target = f"Aim: the cheapest policy that is right at least {words.percent(_min_accuracy(result))} of the time"
        target += " (as both together are)" if result.target.min_accuracy is None else ""
    met = "met" if result.met else "**not met**"
    in_usd = result.cost_unit == "usd"
    note = "" if in_usd else " No prices are known, so cost is counted in tokens of the strong model."
    return f"{target}, on the validation split: {met}.{note}"


def share(found: Answered) -> str:
    """An accuracy with its interval."""
    return f"{words.percent(found.accuracy.value)} {words.interval(found.accuracy.ci95)}"


def cost(a_query: float | None, result: GateResults) -> str:
    """Of a thousand queries, since one alone may cost next to nothing."""
    if a_query is None:
        return words.money(None)
    return words.money(1000 * a_query) if result.cost_unit == "usd" else f"{1000 * a_query:,.0f} tokens"


def _row(split: str, name: str, found: Answered, result: GateResults) -> tuple[str, ...]:
    shares = (words.percent(found.shares[arm]) for arm in NAMES)
    return split, name, share(found), cost(found.cost_per_query, result), *shares


def _cross_validated(found: Answered, result: GateResults) -> list[str]:
    """A warning where the aim is met only on the examples that the policy was chosen on."""
    if not result.met or _meets_aim(found, result):
        return []
    return [
        "Chosen without the examples that they are tried on, policies for this aim come to "
        f"{words.percent(found.accuracy.value)} at {cost(found.cost_per_query, result)} per 1,000 queries, "
        "which misses it: expect that rather than what is fitted, or leave a margin."
    ]


def _meets_aim(found: Answered, result: GateResults) -> bool:
    limit = result.target.max_cost_usd
    if limit is not None:
        return found.cost_per_query is not None and found.cost_per_query <= limit * (1 + 1e-9)
    return found.accuracy.value >= _min_accuracy(result) - 1e-9


def _min_accuracy(result: GateResults) -> float:
    assert result.min_accuracy is not None  # the record has it wherever there is no limit of cost
    return result.min_accuracy


def _on_test(test: GatedTest, result: GateResults) -> str:
    found, dear, cheap = test.difference_to_both, test.alone["both"].cost_per_query, test.gate.cost_per_query
    counted = "cost" if result.cost_unit == "usd" else "strong model's tokens"
    if cheap is None or dear is None:
        saved = "at a cost that is not known, since some calls of test have no price"
    else:
        saved = f"for {words.percent(1 - cheap / dear if dear else 0.0)} less of the {counted}"
    if test.gate.shares["both"] == 1:
        return "On test the policy has both answer everything, so nothing is won or lost."
    kept, target = "", result.target
    if target.min_accuracy is not None or (target.max_cost_usd is not None and cheap is not None):
        kept = f" The aim is {'kept' if _meets_aim(test.gate, result) else '**missed**'} on test."
    return (
        f"On test, against both answering everything: {words.points(found.difference)} points "
        f"{words.interval(found.ci95)}, p {words.p_value(found.p_value)}, {saved}.{kept}"
    )


def _thinned(points: list[FittedPoint]) -> list[FittedPoint]:
    if len(points) <= _ROWS:
        return points
    return [points[round(place * (len(points) - 1) / (_ROWS - 1))] for place in range(_ROWS)]


def places(points: list[FittedPoint] | list[CurvePoint]) -> list[tuple[float, float]]:
    """The points of a curve as (cost a query, accuracy), from the cheapest on."""
    return sorted((point.cost_per_query, point.accuracy) for point in points)
