"""Which difference so many examples can show at all."""

import math

POWER = 0.8


def smallest_difference(
    num_examples: int, discordance: float, design_effect: float = 1.0, power: float = POWER
) -> float | None:
    """The difference of two methods' means that a paired test at .05 shows with the given power.

    It solves d = z(.975) sqrt(D / n) + z(power) sqrt((D - d^2) / n), the sample size of McNemar's test (Connor 1987),
    with n = num_examples / design_effect; Miller (arXiv 2411.00640) derives the same for means of scores.

    Args:
        num_examples: rows on which both are measured.
        discordance: D, the share of rows that one gets right and the other wrong; for scores between 0 and 1 the mean
            of the squared differences.
        design_effect: by how much the variance grows because rows belong together; 1 where each stands alone.

    Returns:
        The difference, from 0 to 1; None where no difference can be shown, since the methods differ in too few rows.
    """
    from scipy.special import ndtri

    if num_examples <= 0 or discordance <= 0.0:
        return None
    num = num_examples / design_effect
    by_test = float(ndtri(0.975)) * math.sqrt(discordance / num)
    by_power = float(ndtri(power)) ** 2 / num
    inner = by_power * (discordance * (1 + by_power) - by_test**2)
    if inner < 0.0:
        return None
    found = (by_test + math.sqrt(inner)) / (1 + by_power)
    return found if found <= discordance else None


def design_effect(num_examples: int, num_groups: int, alikeness: float) -> float:
    """By how much groups of equal sizes widen a variance: 1 + (size - 1) alikeness (Kish).

    Args:
        alikeness: how alike rows of a group are, from 0 (not at all) to 1 (copies); the intraclass correlation.
    """
    return 1 + (num_examples / num_groups - 1) * alikeness
