"""How far several raters agree on the same units: Krippendorff's alpha."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from cowest.statistics.values import Floats

Level = Literal["nominal", "ordinal", "interval"]
Ratings = Sequence[float | None]


def krippendorff_alpha(units: Sequence[Ratings], level: Level = "ordinal") -> float | None:
    """Krippendorff's alpha: 1 is full agreement, 0 that of chance, below 0 less than that.

    After Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), by its coincidence matrix. The package
    `krippendorff` does the same under the GPL, which this package cannot depend on.

    Args:
        units: the ratings of each unit, one a rater; None where a rater gave none. Units with one rating do not count.
        level: of measurement; "ordinal" uses the order of the values alone.

    Returns:
        None where no unit has two ratings, or where all ratings are equal: chance alone would agree there.
    """
    rated = [[value for value in unit if value is not None] for unit in units]
    rated = [unit for unit in rated if len(unit) > 1]
    values = sorted({value for unit in rated for value in unit})
    if len(values) < 2:
        return None
    coincidences = _coincidences(rated, {value: index for index, value in enumerate(values)})
    counts = coincidences.sum(axis=1)
    differences = _differences(np.asarray(values, dtype=float), counts, level)
    total = counts.sum()
    observed = (coincidences * differences).sum() / total
    expected = (np.outer(counts, counts) * differences).sum() / (total * (total - 1))
    return float(1.0 - observed / expected)


def _coincidences(units: Sequence[Sequence[float]], index_of: Mapping[float, int]) -> Floats:
    """How often each value meets each other within a unit, shape [values, values]; a unit counts its ratings."""
    matrix = np.zeros((len(index_of), len(index_of)))
    for unit in units:
        counts = np.zeros(len(index_of))
        for value in unit:
            counts[index_of[value]] += 1
        matrix += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    return matrix


def _differences(values: Floats, counts: Floats, level: Level) -> Floats:
    """The squared difference of each pair of values, shape [values, values]."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    # The number of ratings from the one value to the other, those of the two themselves half.
    middles = np.cumsum(counts) - counts / 2
    return np.asarray((middles[:, None] - middles[None, :]) ** 2)
