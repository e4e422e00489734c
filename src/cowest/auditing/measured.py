"""Slices as they are measured: the pair against the strong model alone in each, corrected for their number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cowest import statistics
from cowest.auditing.answered import Answered
from cowest.auditing.slicing import GROUP, Mask, Selection
from cowest.records import Difference, Estimate, Slice
from cowest.statistics.values import Floats


def measure_all(answered: Answered) -> Slice:
    """All examples as one slice."""
    everything = np.ones(len(answered.pair), dtype=bool)
    return Slice(**_measured(answered, everything, answered.groups)[0])


def measure_slices(answered: Answered, parts: Sequence[Selection]) -> list[Slice]:
    """Each slice, with p-values corrected for the number of slices.

    A slice that is one group is about that group and no other, so that its examples stand alone there, except for
    those that ask the same; elsewhere whole groups count, as in results.json.
    """
    found = []
    for part in parts:
        groups = _queries(answered, part.chosen) if part.field == GROUP else answered.groups_of(part.chosen)
        found.append((part, *_measured(answered, part.chosen, groups)))
    corrected = statistics.holm([p_value for *_, p_value in found])
    return [
        Slice(field=part.field, value=part.value, p_holm=p_holm, **measures)
        for (part, measures, _), p_holm in zip(found, corrected, strict=True)
    ]


def _measured(
    answered: Answered, chosen: NDArray[np.bool_], groups: Sequence[str | None]
) -> tuple[dict[str, Any], float]:
    """The fields of a slice, and its p-value."""
    pair, strong = answered.scores.pair[chosen], answered.scores.strong[chosen]
    weak = None if answered.scores.weak is None else answered.scores.weak[chosen]
    difference = statistics.paired_difference(pair, strong, groups)

    def estimate(values: Floats) -> Estimate:
        return Estimate.of(statistics.mean_interval(values, groups))

    measures = {
        "num_examples": int(chosen.sum()),
        "num_groups": statistics.count_groups(groups),
        "strong": estimate(strong),
        "pair": estimate(pair),
        "weak": None if weak is None else estimate(weak),
        **statistics.help_and_harm(alone=strong, together=pair)._asdict(),
        **dict(Difference.of(difference)),
    }
    return measures, difference.p_value


def _queries(answered: Answered, chosen: Mask) -> list[str | None]:
    return [" ".join(row.query.casefold().split()) for row, taken in zip(answered.pair, chosen, strict=True) if taken]
