"""Intervals and tests over examples: bootstrap, paired differences, McNemar, help and harm, seeds by queries.

Every interval is a percentile bootstrap at 95%. Examples are resampled, so an interval says how far another draw of the
test set would move the number; only `two_level_interval` covers other training seeds too.

Where all examples have the same value, every resample has it too, and the bootstrap's interval would have no width: a
method that gets none of 20 examples right would get 0% [0, 0]. In that case the interval allows for unseen examples:
with 95% confidence at most a share u of them has another value, where u is Wilson's upper limit for none of n, and that
value lies within the range of a score. 20 scores of 0 give [0, u] with u = 16.1%, which is Wilson's interval;
differences that are all 0 give [-u, u].
"""

from cowest.statistics.bootstrap import RESAMPLES, Interval, interaction_2x2, mean_interval, two_level_interval
from cowest.statistics.paired import Difference, HelpAndHarm, help_and_harm, mcnemar, paired_difference

__all__ = [
    "RESAMPLES",
    "Difference",
    "HelpAndHarm",
    "Interval",
    "help_and_harm",
    "interaction_2x2",
    "mcnemar",
    "mean_interval",
    "paired_difference",
    "two_level_interval",
]
