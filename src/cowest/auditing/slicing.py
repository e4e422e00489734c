"""How examples are divided into slices: by their fields, their label, the length of the query, and their group."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowest import statistics, words
from cowest.records import Prediction

GOLD_LABEL, QUERY_LENGTH, GROUP = "gold label", "query length", "group"

MAX_VALUES = 20
"""A field with more values than this, each of enough examples, is not sliced."""

_MAX_NUMBERS = 8
"""A field of numbers with more values than this is divided at its quantiles."""

_NUM_RANGES = 4
_NO_VALUE = "(none)"
_NO_SHORT_VALUE = "(none, or a long text)"

Scalar = str | int | float | bool | None
Mask = NDArray[np.bool_]


class Selection(NamedTuple):
    """A slice: the value that its examples have in a field."""

    field: str
    value: str
    chosen: Mask


class Slicing(NamedTuple):
    """The slices of some examples.

    Attributes:
        left_out: by field, what of it is not tested and why.
    """

    parts: list[Selection]
    left_out: dict[str, str]


def slices(rows: Sequence[Prediction], min_size: int) -> Slicing:
    """The slices of examples; those that hold the same examples as an earlier one are left out.

    Args:
        rows: any method's predictions.
        min_size: a slice has at least so many examples.
    """
    parts: list[Selection] = []
    left_out: dict[str, str] = {}
    seen: dict[bytes, str] = {}
    for field, values in _columns(rows):
        found, reason = _divided(field, values, min_size)
        if reason:
            left_out[field] = reason
        for part in found:
            name = f"{part.field} {part.value}"
            if (same := seen.setdefault(part.chosen.tobytes(), name)) != name:
                note = f"{part.value} holds the same examples as {same}"
                left_out[field] = "; ".join([*([left_out[field]] if field in left_out else []), note])
            else:
                parts.append(part)
    return Slicing(parts, left_out)


def _columns(rows: Sequence[Prediction]) -> Iterator[tuple[str, list[Scalar]]]:
    for name in dict.fromkeys(name for row in rows for name in row.fields):
        yield name, [row.fields.get(name) for row in rows]
    if any(row.gold_label is not None for row in rows):
        yield GOLD_LABEL, [row.gold_label for row in rows]
    yield QUERY_LENGTH, [len(row.query) for row in rows]
    if any(row.group is not None for row in rows):
        yield GROUP, [row.group for row in rows]


def _divided(field: str, values: Sequence[Scalar], min_size: int) -> tuple[list[Selection], str]:
    """The slices of a field, and what of it is left out."""
    if len(set(values)) == 1:
        return [], "every example has the same value"
    numbers = None if field in (GOLD_LABEL, GROUP) else _numbers(values)
    if numbers is not None:
        return _by_range(field, values, numbers, min_size)
    # A run's files leave out the texts of a field that are long.
    missing = _NO_VALUE if field == GOLD_LABEL else _NO_SHORT_VALUE
    texts = [(None if field == GROUP else missing) if value is None else _text(value) for value in values]
    counted = Counter(text for text in texts if text is not None)
    kept = [text for text, count in counted.items() if count >= min_size]
    if len(kept) > MAX_VALUES:
        return [], f"{len(kept)} values with {min_size} examples or more, of which at most {MAX_VALUES} are tested"
    parts = [Selection(field, text, np.array([each == text for each in texts])) for text in kept]
    small = len(counted) - len(kept)
    return parts, f"{words.plural(small, 'value')} with fewer than {min_size} examples" if small else ""


def _by_range(
    field: str, values: Sequence[Scalar], numbers: NDArray[np.float64], min_size: int
) -> tuple[list[Selection], str]:
    is_given = ~np.isnan(numbers)
    num_ranges = min(_NUM_RANGES, int(is_given.sum()) // min_size)
    if num_ranges < 2:
        return [], f"fewer than {2 * min_size} examples with a value"
    which = np.full(len(numbers), -1)
    which[is_given] = statistics.quantile_bins(numbers[is_given], num_ranges)
    parts, small = [], 0
    for number in range(int(which.max()) + 1):
        chosen = which == number
        low, high = numbers[chosen].min(), numbers[chosen].max()
        if chosen.sum() >= min_size:
            parts.append(Selection(field, f"{low:g}" if low == high else f"{low:g} to {high:g}", chosen))
        else:
            small += 1
    if (missing := ~is_given).sum() >= min_size:
        parts.append(Selection(field, _NO_VALUE, missing))
    return parts, f"{words.plural(small, 'range')} with fewer than {min_size} examples" if small else ""


def _numbers(values: Sequence[Scalar]) -> NDArray[np.float64] | None:
    """The values as numbers, NaN where there is none; None where some are no numbers, or only a few values occur."""
    found = []
    for value in values:
        if isinstance(value, bool):
            return None
        try:
            number = math.nan if value is None else float(value)
        except (ValueError, OverflowError):
            return None
        if value is not None and not math.isfinite(number):
            return None
        found.append(number)
    return np.array(found) if len({each for each in found if not math.isnan(each)}) > _MAX_NUMBERS else None


def _text(value: str | float | bool) -> str:
    """A value as a slice is named by it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
