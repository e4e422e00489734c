"""Macro-F1 and the confusion table of labels, with intervals and a paired test.

Macro-F1 depends only on the counts of the confusion table. A bootstrap over examples is therefore exactly a multinomial
draw over its cells, which makes 10,000 resamples cheap.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cowest.errors import InputError
from cowest.statistics import RESAMPLES, Difference, Interval

UNPARSED = "(unparsed)"
"""The column of answers that name no label: never right, and not a label in the mean."""

Counts = NDArray[np.int64]


def macro_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean of F1 over the labels that occur in `gold`; None, an answer without a label, is wrong for its gold label.

    Args:
        gold, predicted: labels by example, shape [examples].

    Raises:
        InputError: the two differ in length or hold nothing.
    """
    _refuse_unequal(gold, predicted)
    from sklearn.metrics import f1_score

    labels = sorted(set(gold))
    given = [UNPARSED if label is None else label for label in predicted]
    return float(f1_score(list(gold), given, labels=labels, average="macro", zero_division=0))


def macro_f1_interval(
    gold: Sequence[str], predicted: Sequence[str | None], resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Macro-F1 with its percentile bootstrap interval at 95%; labels missing from a resample leave its mean.

    Raises:
        InputError: the two differ in length or hold nothing.
    """
    value = macro_f1(gold, predicted)
    cells, counts = _cells(gold, predicted)
    drawn = np.random.default_rng(seed).multinomial(len(gold), counts / len(gold), size=resamples)
    low, high = np.quantile(_macro_f1_of_counts(cells, drawn), [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high))


def macro_f1_difference(
    gold: Sequence[str],
    a: Sequence[str | None],
    b: Sequence[str | None],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Macro-F1 of `a` minus that of `b` on the same examples: paired bootstrap, and a permutation test.

    The p-value is two-sided: under the null hypothesis that the two methods are exchangeable, the two answers to each
    example are as likely to be swapped. It counts the observed split among the draws, so that it is never 0.

    Raises:
        InputError: the three differ in length or hold nothing.
    """
    _refuse_unequal(gold, a)
    _refuse_unequal(gold, b)
    cells, counts = _cells(gold, a, b)
    of_a = [(label, first) for label, first, _ in cells]
    of_b = [(label, second) for label, _, second in cells]
    observed = macro_f1(gold, a) - macro_f1(gold, b)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(gold), counts / len(gold), size=resamples)
    low, high = np.quantile(_macro_f1_of_counts(of_a, drawn) - _macro_f1_of_counts(of_b, drawn), [0.025, 0.975])
    swapped = rng.binomial(counts, 0.5, size=(resamples, len(counts)))
    kept = counts - swapped
    twice = np.concatenate([kept, swapped], axis=1)
    null = _macro_f1_of_counts(of_a + of_b, twice) - _macro_f1_of_counts(of_b + of_a, twice)
    as_extreme = int((np.abs(null) >= abs(observed) - 1e-12).sum())
    return Difference(difference=observed, low=float(low), high=float(high), p_value=(as_extreme + 1) / (resamples + 1))


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


def _cells(gold: Sequence[str], *predicted: Sequence[str | None]) -> tuple[list[tuple[str, ...]], Counts]:
    counted = sorted(Counter(zip(gold, *map(_given, predicted), strict=True)).items())
    return [cell for cell, _ in counted], np.array([count for _, count in counted])


def _macro_f1_of_counts(cells: Sequence[tuple[str, ...]], counts: Counts) -> NDArray[np.float64]:
    """Macro-F1 for many tables at once: `cells` are (gold, given), `counts` has the shape [tables, cells]."""
    labels = sorted({label for label, _ in cells})
    total = np.zeros(len(counts))
    num_labels = np.zeros(len(counts))
    for label in labels:
        is_gold = np.array([gold == label for gold, _ in cells])
        is_given = np.array([given == label for _, given in cells])
        true_positives = counts[:, is_gold & is_given].sum(axis=1)
        num_gold, num_given = counts[:, is_gold].sum(axis=1), counts[:, is_given].sum(axis=1)
        total += np.where(num_gold > 0, 2 * true_positives / np.maximum(num_gold + num_given, 1), 0.0)
        num_labels += num_gold > 0
    return np.asarray(total / num_labels)


def _refuse_unequal(gold: Sequence[str], predicted: Sequence[str | None]) -> None:
    if not gold or len(gold) != len(predicted):
        raise InputError(
            f"Macro-F1 needs one predicted label for each right one, but got {len(predicted)} for {len(gold)}."
        )
