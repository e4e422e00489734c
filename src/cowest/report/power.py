"""How much a run's examples can show: their number, their groups, and the smallest difference they would show."""

from cowest import words
from cowest.records import EvaluationResults


def measured_on(results: EvaluationResults) -> str:
    """The examples, and the groups they are in where they belong together."""
    examples = words.plural(results.num_examples, "example")
    return examples if results.num_groups is None else f"{examples} in {words.plural(results.num_groups, 'group')}"


def power_sentence(results: EvaluationResults) -> str | None:
    """Which differences of the headline metric the examples show with a power of 80%; None where none is known."""
    found = sorted(
        each.smallest_difference
        for each in results.comparisons
        if each.smallest_difference is not None and each.metric in ("", results.headline_metric)
    )
    if not found:
        return None
    least, most = (f"{100 * value:.1f}" for value in (found[0], found[-1]))
    sizes = f"{least} points" if least == most else f"{least} to {most} points, by comparison"
    return (
        f"With a power of 80%, {measured_on(results)} show a difference of {sizes}: a smaller one may well exist where "
        "none is shown."
    )
