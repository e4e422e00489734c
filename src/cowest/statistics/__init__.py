"""Intervals and tests: means, paired differences, groups of rows, power, seeds.

An interval at 95% says how far another draw of the test set would move the number. Where rows belong together, such as
the questions about one table, another draw has other tables, so whole groups count and not rows. Those with `seeds` in
their name, and `two_level_interval`, cover other training seeds too.

Intervals and p-values of means and differences are formulas without resampling: a bootstrap of 20 rows, or of ten
groups, is too narrow, and has no width where all rows have the same score. `benchmarks/coverage.py` measures how often
they hold the true value.
"""

from cowest.statistics.agreement import krippendorff_alpha
from cowest.statistics.bootstrap import RESAMPLES, interaction_2x2, two_level_interval
from cowest.statistics.calibration import Reliability, ReliabilityBin, quantile_bins, ranked_right, reliability
from cowest.statistics.families import holm
from cowest.statistics.groups import Groups, count_groups, group_numbers
from cowest.statistics.means import mean_interval, mean_interval_over_seeds, share_interval
from cowest.statistics.paired import (
    ALPHA,
    BETTER,
    NOT_SHOWN,
    WORSE,
    Difference,
    HelpAndHarm,
    Verdict,
    difference_of,
    help_and_harm,
    paired_difference,
    paired_difference_over_seeds,
    verdict,
)
from cowest.statistics.power import design_effect, smallest_difference
from cowest.statistics.values import Interval

__all__ = [
    "ALPHA",
    "BETTER",
    "NOT_SHOWN",
    "RESAMPLES",
    "WORSE",
    "Difference",
    "Groups",
    "HelpAndHarm",
    "Interval",
    "Reliability",
    "ReliabilityBin",
    "Verdict",
    "count_groups",
    "design_effect",
    "difference_of",
    "group_numbers",
    "help_and_harm",
    "holm",
    "interaction_2x2",
    "krippendorff_alpha",
    "mean_interval",
    "mean_interval_over_seeds",
    "paired_difference",
    "paired_difference_over_seeds",
    "quantile_bins",
    "ranked_right",
    "reliability",
    "share_interval",
    "smallest_difference",
    "two_level_interval",
    "verdict",
]
