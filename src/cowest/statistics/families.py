"""Families of tests: p-values corrected for the number of tests that were made."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of a family of tests, corrected for their number (Holm 1979), in the same order.

    Rejecting those below 0.05 rejects any true hypothesis of the family with a chance of at most 5%.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, p_values[index] * (len(p_values) - rank))
        corrected[index] = min(1.0, largest)
    return corrected
