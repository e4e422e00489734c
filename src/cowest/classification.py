"""Macro-F1 and the confusion table of labels, with intervals and a paired test, over groups where there are any.

Macro-F1 is no mean over examples, but to first order it moves like one: each example has an influence on it, and these
give its variance (the delta method). Interval and test are then those of `cowest.statistics` for means.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cowest.errors import InputError
from cowest.statistics import Difference, Groups, Interval, difference_of, share_interval

UNPARSED = "(unparsed)"
"""The column of answers that name no label: never right, and not a label in the mean."""

Floats = NDArray[np.float64]


def macro_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean of F1 over the labels that occur in `gold`; None, an answer without a label, is wrong for its gold label.

    Args:
        gold, predicted: labels by example, shape [examples].

    Raises:
        InputError: the two differ in length or hold nothing.
    """
    _refuse_unequal(gold, predicted)
    return _macro_f1(gold, predicted)[0]


def macro_f1_published(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean of F1 over all classes that occur, in which the answers without a label are a class of their own.

    No example belongs to that class, so its F1 is 0: with four labels, one such answer takes a fifth off the mean. The
    paper's numbers are of this kind, so it stands beside ours for comparison with them.

    Raises:
        InputError: the two differ in length or hold nothing.
    """
    return macro_f1(gold, predicted) * _share_of_classes(gold, predicted)


def macro_f1_interval(gold: Sequence[str], predicted: Sequence[str | None], groups: Groups | None = None) -> Interval:
    """Macro-F1 with its interval at 95%.

    Args:
        groups: what each example belongs to; see `Groups`.

    Raises:
        InputError: the two differ in length or hold nothing, or there is another number of groups.
    """
    return share_interval(macro_f1_by_example(gold, predicted), groups)


def macro_f1_by_example(gold: Sequence[str], predicted: Sequence[str | None]) -> Floats:
    """A value for each example, whose mean is macro-F1 and whose spread is that of macro-F1 to first order.

    So macro-F1 goes where means go, such as `cowest.statistics.paired_difference_over_seeds`. Single values may lie
    outside 0 to 1.

    Raises:
        InputError: the two differ in length or hold nothing.
    """
    _refuse_unequal(gold, predicted)
    value, influences = _macro_f1(gold, predicted)
    return value + influences


def macro_f1_published_by_example(gold: Sequence[str], predicted: Sequence[str | None]) -> Floats:
    """The same for `macro_f1_published`, for the classes that occur."""
    return macro_f1_by_example(gold, predicted) * _share_of_classes(gold, predicted)


def macro_f1_published_interval(
    gold: Sequence[str], predicted: Sequence[str | None], groups: Groups | None = None
) -> Interval:
    """`macro_f1_published` with its interval at 95%, for the classes that occur."""
    interval, share = macro_f1_interval(gold, predicted, groups), _share_of_classes(gold, predicted)
    return Interval(value=share * interval.value, low=share * interval.low, high=share * interval.high)


def macro_f1_difference(
    gold: Sequence[str], a: Sequence[str | None], b: Sequence[str | None], groups: Groups | None = None
) -> Difference:
    """Macro-F1 of `a` minus that of `b` on the same examples, with interval and p-value of one paired test.

    Args:
        groups: what each example belongs to; see `Groups`.

    Raises:
        InputError: the three differ in length or hold nothing, or there is another number of groups.
    """
    return difference_of(macro_f1_by_example(gold, a) - macro_f1_by_example(gold, b), groups)


def confusion(gold: Sequence[str], predicted: Sequence[str | None]) -> dict[str, dict[str, int]]:
    """How often each right label (outer key) was answered by each label (inner key); `UNPARSED` where by none.

    Raises:
        InputError: the two differ in length or hold nothing.
    """
    _refuse_unequal(gold, predicted)
    table: dict[str, dict[str, int]] = {label: {} for label in sorted(set(gold))}
    for (label, given), count in sorted(Counter(zip(gold, _given(predicted), strict=True)).items()):
        table[label][given] = count
    return table


def _given(predicted: Sequence[str | None]) -> list[str]:
    return [UNPARSED if label is None else label for label in predicted]


def _share_of_classes(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """The labels that occur in `gold`, as a share of all classes that were right or given."""
    return len(set(gold)) / len({*gold, *_given(predicted)})


def _macro_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> tuple[float, Floats]:
    """Macro-F1, and how much each example moves it, times the number of examples; the sum of these is 0.

    F1 of a label is 2 TP / (gold + given), so an example moves it by (2 [both] - F1 ([gold] + [given])) / (gold +
    given).
    """
    right, given = np.array(gold), np.array(_given(predicted))
    labels = sorted(set(gold))
    value, influences = 0.0, np.zeros(len(right))
    for label in labels:
        is_gold, is_given = right == label, given == label
        marks = is_gold.astype(float) + is_given
        both = (is_gold & is_given).astype(float)
        f1 = 2 * both.sum() / marks.sum()
        value += float(f1) / len(labels)
        influences += (2 * both - f1 * marks) / marks.sum()
    return value, np.asarray(influences * len(right) / len(labels))


def _refuse_unequal(gold: Sequence[str], predicted: Sequence[str | None]) -> None:
    if not gold or len(gold) != len(predicted):
        raise InputError(
            f"Macro-F1 needs one predicted label for each right one, but got {len(predicted)} for {len(gold)}."
        )
