"""Scores as arrays, and what a mean with its interval is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cowest.errors import InputError
from cowest.types import Record

Floats = NDArray[np.float64]


class Interval(Record):
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


def checked(values: ArrayLike | Sequence[ArrayLike], num_axes: int) -> Floats:
    """The values as an array.

    Raises:
        InputError: another number of axes, no value, or one that is not a finite number.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != num_axes:
        raise InputError(f"Scores need {num_axes} axes, but their shape is {array.shape}.")
    if array.size == 0:
        raise InputError("There are no scores to average. Give at least one example.")
    if not np.isfinite(array).all():
        num_bad = int((~np.isfinite(array)).sum())
        raise InputError(f"{num_bad} of {array.size} scores are not finite numbers. Score a missing answer as 0.")
    return array
