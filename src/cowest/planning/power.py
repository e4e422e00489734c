"""Which difference an evaluation can show at all: as the run's own results say, or as assumed in two cases."""

from collections.abc import Sequence

from pydantic import BaseModel

from cowest import statistics, words
from cowest.errors import CowestError
from cowest.pipeline import Pipeline
from cowest.records import BenchResults, EvaluationResults
from cowest.report.power import power_sentence
from cowest.types import Example

DISCORDANCE = (0.1, 0.4)
"""Share of the examples that one of two methods gets right and the other wrong: a low and a high case."""

ALIKENESS = (0.0, 0.3)
"""How alike the examples of a group are, where there are groups."""


class Power(BaseModel):
    """What an evaluation can show.

    Attributes:
        num_groups: as in results.json.
        smallest_difference: by an assumed share of discordant examples, low and high, with a power of 80%; None where
            so many can show no difference.
        measured: the same as the run's own evaluation of these examples found it, in a sentence.
    """

    num_examples: int
    num_groups: int | None = None
    smallest_difference: tuple[float | None, float | None]
    measured: str | None = None


def power_of(pipeline: Pipeline, examples: Sequence[Example]) -> Power:
    """What an evaluation of these examples can show."""
    num_examples = len(examples)
    num_groups = statistics.count_groups(pipeline.context.data.task.groups(examples))
    found = [
        statistics.smallest_difference(
            num_examples,
            discordance,
            design_effect=1.0 if num_groups is None else statistics.design_effect(num_examples, num_groups, alike),
        )
        for discordance, alike in zip(DISCORDANCE, ALIKENESS, strict=True)
    ]
    return Power(
        num_examples=num_examples,
        num_groups=num_groups,
        smallest_difference=(found[0], found[1]),
        measured=_measured(pipeline, num_examples),
    )


def power_of_bench(pipeline: Pipeline, examples: Sequence[Example]) -> Power:
    """What a bench of these examples can show; measured where the run's bench is finished."""
    power, path = power_of(pipeline, examples), pipeline.folder.path / "bench" / "bench.json"
    try:
        bench = BenchResults.read(path) if path.is_file() else None
    except CowestError:
        return power
    if bench is None or bench.num_examples != len(examples):
        return power
    return power.model_copy(update={"measured": power_sentence(bench.as_results()) or power.measured})


def sentence(power: Power) -> str:
    """The same in words."""
    if power.measured is not None:
        return f"Measured in this run: {power.measured}"
    examples = words.plural(power.num_examples, "example")
    where = examples if power.num_groups is None else f"{examples} in {words.plural(power.num_groups, 'group')}"
    low, high = ("none" if found is None else f"{100 * found:.1f} points" for found in power.smallest_difference)
    if low == high == "none":
        return f"{where} are too few to show any difference with a power of 80%. Measure on more of them."
    shares = " and ".join(words.percent(share) for share in DISCORDANCE)
    alike = (
        ""
        if power.num_groups is None
        else f", with groups whose examples are alike by {ALIKENESS[0]:g} and {ALIKENESS[1]:g}"
    )
    return (
        f"With a power of 80%, {where} show a difference of {low} to {high}, where two methods disagree on {shares} of "
        f"them{alike}. A smaller difference needs more examples."
    )


def _measured(pipeline: Pipeline, num_examples: int) -> str | None:
    path = pipeline.folder.evaluate / "results.json"
    try:
        results = EvaluationResults.read(path) if path.is_file() else None
    except CowestError:
        return None
    return power_sentence(results) if results is not None and results.num_examples == num_examples else None
