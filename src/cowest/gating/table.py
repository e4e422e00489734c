"""The results of a gate on each split, as a table and as sentences, for gate.md, the page and the terminal."""

from cowest import words
from cowest.records import Arm, GateResults
from cowest.records.gate import Answered, CurvePoint, FittedPoint, GatedTest

NAMES: dict[Arm, str] = {"draft": "draft alone", "strong": "strong model alone", "both": "both"}
HEADINGS = ("split", "who answers", "accuracy", "cost/1,000", "draft", "strong", "both")
_MAX_ROWS = 12


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
        f"| {words.percent(point.accuracy)} | {cost_text(point.cost_per_query, result)} | {point.policy} |"
        for point in _thinned(result.validation.curve)
    ]
    return "\n".join(lines) + "\n"


def table(result: GateResults) -> list[tuple[str, ...]]:
    """The results of each split under each arm alone and under the gate: rows of cells under `HEADINGS`."""
    validation, test = result.validation, result.test
    rows = [_row("validation", NAMES[arm], answered, result) for arm, answered in validation.alone.items()]
    rows.append(_row("validation", "gate, as fitted", validation.gate, result))
    rows.append(_row("validation", "gate, cross-validated", validation.cross_validated, result))
    if test is not None:
        rows += [_row("test", NAMES[arm], answered, result) for arm, answered in test.alone.items()]
        rows.append(_row("test", "gate", test.gate, result))
    return rows


def sentences(result: GateResults) -> list[str]:
    """The results of a gate in sentences, in Markdown: cross-validated, on test, and what was left out."""
    lines = _cross_validation_warning(result.validation.cross_validated, result)
    if result.test is not None:
        lines.append(_test_sentence(result.test, result))
    else:
        lines.append("There is no test split, so it is unknown how the policy does on other data.")
    for name, split in (("validation", result.validation), ("test", result.test)):
        if split is not None and split.num_failed:
            lines.append(f"{words.plural(split.num_failed, 'example')} of {name} failed and are left out.")
        if split is not None and split.num_without_confidence:
            number = words.plural(split.num_without_confidence, "draft")
            lines.append(f"{number} of {name} had no confidence (truncated, or no log-probabilities) and go to both.")
    return lines


def aim(result: GateResults) -> str:
    """The target of the policy, in Markdown, and whether it is met on validation."""
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


def accuracy_text(answered: Answered) -> str:
    """An accuracy with its interval."""
    return words.estimate(answered.accuracy.value, answered.accuracy.ci95)


def cost_text(a_query: float | None, result: GateResults) -> str:
    """The cost of a thousand queries, since that of one may be tiny."""
    if a_query is None:
        return words.money(None)
    return words.money(1000 * a_query) if result.cost_unit == "usd" else f"{1000 * a_query:,.0f} tokens"


def _row(split: str, name: str, answered: Answered, result: GateResults) -> tuple[str, ...]:
    shares = (words.percent(answered.shares[arm]) for arm in NAMES)
    return split, name, accuracy_text(answered), cost_text(answered.cost_per_query, result), *shares


def _cross_validation_warning(answered: Answered, result: GateResults) -> list[str]:
    """A warning where the target is met only on the examples on which the policy was chosen."""
    if not result.met or _meets_aim(answered, result):
        return []
    return [
        "When chosen without the examples on which they are tested, policies for this aim reach "
        f"{words.percent(answered.accuracy.value)} at {cost_text(answered.cost_per_query, result)} per 1,000 queries, "
        "which misses it: expect this rather than the fitted numbers, or leave a margin."
    ]


def _meets_aim(answered: Answered, result: GateResults) -> bool:
    limit = result.target.max_cost_usd
    if limit is not None:
        return answered.cost_per_query is not None and answered.cost_per_query <= limit * (1 + 1e-9)
    return answered.accuracy.value >= _min_accuracy(result) - 1e-9


def _min_accuracy(result: GateResults) -> float:
    assert result.min_accuracy is not None  # the record has it unless the target is a cost
    return result.min_accuracy


def _test_sentence(test: GatedTest, result: GateResults) -> str:
    difference, both_cost, gate_cost = (
        test.difference_to_both,
        test.alone["both"].cost_per_query,
        test.gate.cost_per_query,
    )
    unit = "cost" if result.cost_unit == "usd" else "strong model's tokens"
    if gate_cost is None or both_cost is None:
        saved = "at an unknown cost, since some calls of test have no price"
    else:
        share = 1 - gate_cost / both_cost if both_cost else 0.0
        saved = f"for {words.percent(abs(share))} {'less' if share >= 0 else 'more'} of the {unit}"
    if test.gate.shares["both"] == 1:
        return "On test the policy has both answer everything, so nothing is won or lost."
    aim_sentence, target = "", result.target
    if target.min_accuracy is not None or (target.max_cost_usd is not None and gate_cost is not None):
        aim_sentence = f" The aim is {'kept' if _meets_aim(test.gate, result) else '**missed**'} on test."
    return (
        f"On test, against both answering everything: {words.points(difference.difference)} points "
        f"{words.interval(difference.ci95)}, p {words.p_value(difference.p_value)}, {saved}.{aim_sentence}"
    )


def _thinned(points: list[FittedPoint]) -> list[FittedPoint]:
    if len(points) <= _MAX_ROWS:
        return points
    return [points[round(row * (len(points) - 1) / (_MAX_ROWS - 1))] for row in range(_MAX_ROWS)]


def curve_points(points: list[FittedPoint] | list[CurvePoint]) -> list[tuple[float, float]]:
    """The points of a curve as (cost per query, accuracy), from the cheapest on."""
    return sorted((point.cost_per_query, point.accuracy) for point in points)
