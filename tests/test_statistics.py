import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from benchmarks import coverage
from hypothesis import given
from hypothesis import strategies as st

from cowest import statistics
from cowest.errors import InputError
from cowest.statistics import bootstrap
from cowest.statistics.groups import spread
from cowest.statistics.values import Floats


@pytest.mark.parametrize("count", [1, 6, 700])
def test_all_wrong_and_all_right_have_wilsons_interval(count: int) -> None:
    for score in (0, 1):
        reference = scipy.stats.binomtest(score * count, count).proportion_ci(method="wilson")
        interval = statistics.mean_interval([score] * count)
        assert interval.value == score
        assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
        assert interval.high - interval.low > 0.005


@pytest.mark.parametrize("values", [[], [0.0, math.nan], [1.0, math.inf], [[1.0]]])
def test_values_that_have_no_mean_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError):
        statistics.mean_interval(values)


def test_no_resamples_are_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        statistics.two_level_interval([[1.0]], resamples=0)


def test_chunks_do_not_change_the_number_of_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = bootstrap.in_chunks(np.zeros, 1003, 10)
    monkeypatch.setattr(bootstrap, "_CHUNK", 70)
    assert len(drawn) == len(bootstrap.in_chunks(np.zeros, 1003, 10)) == 1003


def test_pairs_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match="2 and 3"):
        statistics.paired_difference([1, 0], [1, 0, 1])


def test_help_minus_harm_is_the_difference() -> None:
    rates = statistics.help_and_harm(alone=[0, 0, 0, 1, 1], together=[1, 1, 0, 0, 1])
    assert (rates.help_rate, rates.harm_rate) == (pytest.approx(2 / 5), pytest.approx(1 / 5))
    partial = statistics.help_and_harm(alone=[0.5, 1.0], together=[1.0, 0.9])
    assert partial == (0.5, 0.5)


def test_two_levels_of_one_seed_are_one_level() -> None:
    values = np.random.default_rng(1).random(200)
    both, one = statistics.two_level_interval([values]), statistics.mean_interval(values)
    assert both.value == pytest.approx(one.value)
    assert both.low == pytest.approx(one.low, abs=3e-3)
    assert both.high == pytest.approx(one.high, abs=3e-3)


def test_two_levels_see_what_differs_between_seeds() -> None:
    # No spread between queries: each resample is the mean of two draws from {0, 1}: 0, 1/2, 1 with 1/4, 1/2, 1/4.
    values = np.array([[0.0] * 5, [1.0] * 5])
    interval = statistics.two_level_interval(values)
    assert (interval.value, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_all_seeds_share_one_draw_of_queries() -> None:
    # Two equal seeds carry no more information than one: the interval must not shrink as 2n queries would shrink it.
    values = np.random.default_rng(1).random(100)
    twice, once = statistics.two_level_interval([values, values]), statistics.mean_interval(values)
    assert twice.high - twice.low == pytest.approx(once.high - once.low, rel=0.05)


def test_two_levels_need_two_axes() -> None:
    with pytest.raises(InputError, match="2 axes"):
        statistics.two_level_interval([0.1, 0.2])


def test_interaction_by_hand() -> None:
    aa, ab, ba, bb = [1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 0]
    interval = statistics.interaction_2x2(aa, ab, ba, bb)
    assert interval.value == pytest.approx((0.75 - 0.25) - (0.25 - 0.75))
    assert interval.low <= interval.value <= interval.high
    by_seed = statistics.interaction_2x2([aa, aa], [ab, ab], [ba, ba], [bb, bb])
    assert by_seed.value == pytest.approx(interval.value)
    nothing = statistics.interaction_2x2(aa, aa, ba, ba)
    assert nothing.value == 0.0
    assert nothing.low == -nothing.high < 0
    with pytest.raises(InputError, match="2x2"):
        statistics.interaction_2x2(aa, ab, ba, [1, 0])


def test_clusters_are_drawn_whole() -> None:
    rng = np.random.default_rng(0)
    by_drug = rng.integers(0, 2, size=40).astype(float)
    values = np.tile(np.repeat(by_drug, 25), (5, 1))
    drugs = [f"drug {index // 25}" for index in range(1000)]
    naive = statistics.two_level_interval(values)
    whole = statistics.two_level_interval(values, clusters=drugs)
    assert whole.value == naive.value
    expected_half_width = 1.96 * by_drug.std() / np.sqrt(40)
    assert (whole.high - whole.low) / 2 == pytest.approx(expected_half_width, rel=0.1)
    assert whole.high - whole.low > 4 * (naive.high - naive.low)


def test_clusters_of_single_queries_change_nothing() -> None:
    values = np.random.default_rng(1).integers(0, 2, size=(3, 50)).astype(float)
    alone = statistics.two_level_interval(values, clusters=[f"{index:02}" for index in range(50)])
    assert alone == statistics.two_level_interval(values)


def test_a_wrong_number_of_clusters_is_refused() -> None:
    with pytest.raises(InputError, match="50 queries but 2 clusters"):
        statistics.two_level_interval(np.zeros((3, 50)), clusters=["a", "b"])


def test_shares_of_rows_that_stand_alone_have_wilsons_interval() -> None:
    values = [1] * 60 + [0] * 40
    reference = scipy.stats.binomtest(60, 100).proportion_ci(method="wilson")
    for groups in (None, [None] * 100, [str(row) for row in range(100)]):
        interval = statistics.mean_interval(values, groups)
        assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_scores_between_0_and_1_have_nearly_students_interval() -> None:
    values = np.random.default_rng(3).beta(2, 5, size=300)
    interval = statistics.mean_interval(values)
    half = scipy.stats.t(299).ppf(0.975) * values.std(ddof=1) / np.sqrt(300)
    assert interval.value == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-3)


def test_copies_count_once() -> None:
    # 40 rows, each 25 times: what is known is what 40 rows tell.
    once = np.random.default_rng(0).integers(0, 2, size=40).astype(float)
    groups = [f"drug {row // 25}" for row in range(1000)]
    copied = statistics.mean_interval(np.repeat(once, 25), groups)
    alone = statistics.mean_interval(once)
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.06)
    assert copied.high - copied.low > 4 * (
        statistics.mean_interval(np.repeat(once, 25)).high - statistics.mean_interval(np.repeat(once, 25)).low
    )


def test_the_spread_over_groups_is_the_cluster_robust_one() -> None:
    # Residual sums 0.8, -0.2 and -0.6 around the mean of 3/5; CR2's weights 5/3, 5/3 and 5/4.
    values, groups = np.array([1.0, 1.0, 1.0, 0.0, 0.0]), ["a", "a", "b", "b", "c"]
    found = spread(values, groups)
    assert found.variance == pytest.approx((5 / 3 * 0.8**2 + 5 / 3 * 0.2**2 + 5 / 4 * 0.6**2) / 25)
    assert found.num_groups == 3
    alone = spread(values, None)
    assert (alone.variance, alone.degrees_of_freedom) == (pytest.approx(values.var(ddof=1) / 5), 4)


@pytest.mark.parametrize(("num_groups", "size"), [(2, 4), (2, 6), (3, 5), (8, 6), (7, 3)])
def test_groups_with_one_mean_count_once_each(num_groups: int, size: int) -> None:
    """Their means do not spread, so they say nothing of the spread: not that it is as small as a sum's rounding."""
    worse = [1.0] + [0.0] * (size - 1)
    groups = [str(number) for number in range(num_groups) for _ in range(size)]
    found = statistics.paired_difference([0.0] * len(groups), worse * num_groups, groups)
    assert found.verdict == "no difference shown"
    assert found.p_value > 0.05
    assert found.low < -2 / size


def test_one_group_says_nothing_of_others() -> None:
    interval = statistics.mean_interval([1, 0, 1, 1], ["a"] * 4)
    assert (interval.low, interval.value, interval.high) == (0.0, 0.75, 1.0)
    found = statistics.paired_difference([1, 1, 1, 1], [0, 0, 0, 0], ["a"] * 4)
    assert (found.difference, found.p_value, found.verdict) == (1.0, 1.0, "no difference shown")


def test_rows_without_a_group_stand_alone() -> None:
    values = np.random.default_rng(4).random(6)
    assert statistics.mean_interval(values, ["a", None, "b", None, None, "b"]) == statistics.mean_interval(
        values, ["a", "1", "b", "2", "3", "b"]
    )
    assert statistics.count_groups(["a", None, "b", None, None, "b"]) == 5
    assert statistics.count_groups([None, None]) is None


def test_a_wrong_number_of_groups_is_refused() -> None:
    with pytest.raises(InputError, match="3 rows but 2 groups"):
        statistics.mean_interval([1, 0, 1], ["a", "b"])


def test_a_method_that_gets_all_wrong_is_not_known_to_be_always_wrong() -> None:
    interval = statistics.mean_interval([0] * 20)
    assert interval.low == 0.0
    assert 0.1 < interval.high < 0.2
    # Twenty rows of five groups may be five answers: no more is known than five rows tell, or less.
    in_groups = statistics.mean_interval([0] * 20, [str(row // 4) for row in range(20)])
    assert in_groups.high > statistics.mean_interval([0] * 5).high > interval.high


def test_values_outside_0_to_1_have_students_interval() -> None:
    interval = statistics.mean_interval([3.0, 3.0])
    assert (interval.low, interval.value, interval.high) == (3.0, 3.0, 3.0)
    assert statistics.mean_interval([3.0, 5.0]).high > 5.0


@pytest.mark.parametrize(
    ("only_a", "only_b", "num", "shown"),
    [(4, 0, 20, False), (4, 0, 1000, False), (5, 0, 20, True), (6, 1, 20, False), (7, 1, 100, True), (9, 2, 50, True)],
)
def test_few_rows_that_differ_are_judged_as_by_mcnemars_mid_p_test(
    only_a: int, only_b: int, num: int, shown: bool
) -> None:
    a = [1] * only_a + [0] * (num - only_a)
    b = [0] * only_a + [1] * only_b + [0] * (num - only_a - only_b)
    found = statistics.paired_difference(a, b)
    drawn = scipy.stats.binom(only_a + only_b, 0.5)
    mid_p = 2 * (drawn.sf(only_a) + drawn.pmf(only_a) / 2)
    assert (mid_p <= 0.05) == shown
    assert (found.verdict == "better") == shown
    assert statistics.paired_difference(b, a).verdict == ("worse" if shown else "no difference shown")


def test_a_large_sample_has_the_paired_standard_error() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random(400) < 0.7, rng.random(400) < 0.6
    found = statistics.paired_difference(a, b)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    error = np.std(a.astype(float) - b) / 20
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.02)
    assert found.p_value == pytest.approx(scipy.stats.ttest_rel(a.astype(float), b.astype(float)).pvalue, rel=0.1)


def test_differences_that_never_vary_are_not_certain() -> None:
    for scores in ([0] * 20, [1] * 20, [0, 1] * 10, [0.25, 0.5] * 10):
        same = statistics.paired_difference(scores, scores)
        assert (same.difference, same.p_value) == (0.0, 1.0)
        assert 0.05 < same.high == -same.low < 0.2
    better = statistics.paired_difference([1] * 20, [0] * 20)
    assert better.difference == better.high == 1.0
    assert 0.6 < better.low < 0.95
    assert statistics.paired_difference([1, 1, 1], [0, 0, 0]).verdict == "no difference shown"
    assert statistics.paired_difference([0.5] * 3, [0.4] * 3).verdict == "no difference shown"


def test_rounding_is_no_difference() -> None:
    found = statistics.paired_difference([0.1 + 0.2] * 20, [0.3] * 20)
    assert found.p_value == 1.0
    assert statistics.paired_difference([0.1 + 0.2 + 1e-6] * 20, [0.3] * 20).p_value < 0.01


def test_differences_over_groups_that_agree_within_are_those_of_as_many_rows() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.integers(0, 2, 40), rng.integers(0, 2, 40)
    groups = [str(row // 25) for row in range(1000)]
    copied = statistics.paired_difference(np.repeat(a, 25), np.repeat(b, 25), groups)
    alone = statistics.paired_difference(a, b)
    assert copied.difference == pytest.approx(alone.difference)
    assert copied.p_value == pytest.approx(alone.p_value, abs=0.05)
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.06)


scores = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 1 / 3, 1.0]),
        st.sampled_from([0.0, 0.5, 2 / 3, 1.0]),
        st.one_of(st.none(), st.sampled_from("abcdef")),
    ),
    min_size=1,
    max_size=80,
)


@given(scores, st.booleans(), st.integers(0, 20))
def test_verdict_interval_and_p_value_always_agree(
    rows: Sequence[tuple[float, float, str | None]], grouped: bool, more: int
) -> None:
    rows = [*rows, *[(1.0, 0.0, None)] * more]
    a, b, groups = zip(*rows, strict=True)
    found = statistics.paired_difference(a, b, groups if grouped else None)
    excludes_0 = found.low > 0 or found.high < 0
    assert excludes_0 == (found.p_value <= 0.05) == (found.verdict != "no difference shown")
    assert (found.verdict == "better") == (found.low > 0)
    assert 0 <= found.p_value <= 1
    assert found.low <= found.difference <= found.high
    interval = statistics.mean_interval(a, groups if grouped else None)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_intervals_of_a_thousand_rows_take_milliseconds() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.random(1000), [str(row // 5) for row in range(1000)]
    started = time.process_time()
    for _ in range(100):
        statistics.mean_interval(values, groups)
        statistics.paired_difference(values, 1 - values, groups)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(("num_rows", "num_groups"), [(20, 20), (200, 200), (100, 20), (300, 60)])
@pytest.mark.parametrize("alike", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("name", ["share, .3 to .7", "share, .02 to .09", "difference .15 to .3", "macro-F1"])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str, num_rows: int, num_groups: int, alike: float) -> None:
    if alike and num_rows == num_groups:
        return
    kind = next(kind for kind in coverage.KINDS if kind.name == name)
    draws = 300
    covered = coverage.num_covered(kind, num_rows, num_groups, alike, draws, seed=1)
    # Where the true coverage is between 93 and 97.5%, a count outside these has a chance below 1 in 1,000.
    assert scipy.stats.binom(draws, 0.93).ppf(0.001) <= covered
    if name != "share, .02 to .09":  # too few right answers for any interval to be exact
        assert covered <= scipy.stats.binom(draws, 0.98).ppf(0.999)


def test_the_smallest_difference_is_shown_with_a_power_of_80_percent() -> None:
    # Miller (arXiv 2411.00640): (z(.975) + z(.8)) sqrt(D / n) but for the second term's D - d^2.
    found = statistics.smallest_difference(1000, 0.3)
    assert found == pytest.approx(2.8016 * np.sqrt(0.3 / 1000), rel=0.01)
    rng, num = np.random.default_rng(0), 200
    smallest = statistics.smallest_difference(num, 0.3)
    assert smallest is not None
    shown = 0
    for _ in range(400):
        outcomes = rng.choice([1, 0, -1], size=num, p=[0.15 + smallest / 2, 0.7, 0.15 - smallest / 2])
        shown += statistics.paired_difference(outcomes == 1, outcomes == -1).verdict == "better"
    assert scipy.stats.binom(400, 0.75).ppf(0.001) <= shown <= scipy.stats.binom(400, 0.84).ppf(0.999)
    assert statistics.smallest_difference(1000, 0.3, design_effect=4) == pytest.approx(
        statistics.smallest_difference(250, 0.3)
    )
    assert statistics.smallest_difference(20, 0.1) is None
    assert statistics.design_effect(1000, 40, 0.5) == pytest.approx(13.0)


def _scores(*shares: float, num: int = 200, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    return np.array([rng.random(num) < share for share in shares], dtype=np.float64)


def test_one_seed_and_equal_seeds_say_what_no_seed_says() -> None:
    groups = [str(row // 4) for row in range(200)]
    better, worse = _scores(0.7, 0.5)
    mean, difference = statistics.mean_interval(better, groups), statistics.paired_difference(better, worse, groups)
    for copies in (1, 3):
        a, b = np.tile(better, (copies, 1)), np.tile(worse, (copies, 1))
        assert statistics.mean_interval_over_seeds(a, groups) == mean
        assert statistics.paired_difference_over_seeds(a, b, groups) == difference
        assert statistics.paired_difference_over_seeds(a, [worse], groups) == difference


def test_seeds_that_differ_widen_the_interval_by_students_quantile_for_their_number() -> None:
    # Rows hardly vary, so nearly all of the spread is between seeds: mean +- t(1) * sd / sqrt(2).
    rows = np.array([[0.4], [0.5]]) + np.tile([-0.001, 0.001], 500)
    interval = statistics.mean_interval_over_seeds(rows)
    wilson = scipy.stats.t(1).ppf(0.975) ** 2
    effective = 0.45 * 0.55 / (0.05**2 / 1)
    half = math.sqrt(wilson) * math.sqrt(0.45 * 0.55 / effective + wilson / 4 / effective**2) / (1 + wilson / effective)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.02)
    found = statistics.paired_difference_over_seeds(rows, np.zeros((1, 1000)))
    assert found.high - found.difference > 5 * 0.05
    assert (found.p_value > 0.05) == (found.low <= 0.0)


@pytest.mark.parametrize(
    ("right", "groups"),
    [
        ([[1] * 12 + [0] * 8, [0] * 12 + [1] * 8], None),
        ([[1, 1, 1, 0], [0, 0, 0, 1]], None),
        # A mean of thirds differs from a third by its rounding, which is no spread.
        ([[1] * 9 + [0] * 11, [0] * 9 + [1] * 6 + [0] * 5, [0] * 15 + [1] * 5], None),
        ([[1] * 12 + [0] * 8, [0] * 12 + [1] * 8], [str(row // 5) for row in range(20)]),
    ],
)
def test_seeds_that_make_up_for_each_other_on_every_row_say_little(
    right: list[list[int]], groups: list[str] | None
) -> None:
    found = statistics.mean_interval_over_seeds(right, groups)
    num_seeds, num = len(right), 4 if groups else len(right[0])
    assert found.value == pytest.approx(1 / num_seeds)
    squared = scipy.stats.t(num_seeds - 1).ppf(0.975) ** 2  # Wilson's, with as many rows or groups
    half = math.sqrt(squared * (num * found.value * (1 - found.value) + squared / 4)) / (num + squared)
    assert found.high - found.low == pytest.approx(2 * half)


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_interval_and_p_value_over_seeds_never_disagree(num_seeds: int) -> None:
    for draw in range(60):
        rng = np.random.default_rng(draw)
        a = _scores(*(0.55 + 0.05 * rng.normal(size=num_seeds)), num=80, seed=draw)
        b = _scores(*(0.5 + 0.05 * rng.normal(size=num_seeds)), num=80, seed=1000 + draw)
        found = statistics.paired_difference_over_seeds(a, b, [str(row // 2) for row in range(80)])
        assert (found.p_value <= statistics.ALPHA) == (found.low > 0 or found.high < 0)
        assert 0 <= found.p_value <= 1


def test_seeds_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(InputError, match="2 and 3"):
        statistics.paired_difference_over_seeds(_scores(0.5, 0.5), _scores(0.5, 0.5, 0.5))
    with pytest.raises(InputError, match="200 and 100"):
        statistics.paired_difference_over_seeds(_scores(0.5, 0.5), _scores(0.5, 0.5, num=100))


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize("sigma", [0.0, 0.03, 0.1])
def test_intervals_over_seeds_hold_the_truth_as_often_as_they_say(num_seeds: int, sigma: float) -> None:
    rng = np.random.default_rng([num_seeds, round(100 * sigma)])
    of_group, covered, draws = np.repeat(np.arange(50), 4), 0, 200
    groups = [str(group) for group in of_group]
    for _ in range(draws):
        scores = coverage.right_by_seed(0.6, sigma, num_seeds, of_group, 0.3, rng)
        interval = statistics.mean_interval_over_seeds(scores, groups)
        covered += interval.low <= 0.6 <= interval.high
    assert 0.91 * draws <= covered  # three standard errors below .95; two seeds may cover more than they say


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        # R: p.adjust(p, "holm").
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.0001, 0.4, 0.5, 0.012, 0.012], [0.0005, 0.8, 0.8, 0.048, 0.048]),
        ([0.7, 0.6], [1.0, 1.0]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holms_correction_has_known_values(p_values: list[float], expected: list[float]) -> None:
    assert statistics.holm(p_values) == pytest.approx(expected)


def test_bins_of_confidence_are_those_of_equal_numbers_and_never_part_equal_ones() -> None:
    assert statistics.quantile_bins(np.arange(8.0), 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert statistics.quantile_bins(np.array([1.0, 1.0, 1.0, 0.0]), 2).tolist() == [1, 1, 1, 0]
    assert statistics.quantile_bins(np.ones(5), 4).tolist() == [0] * 5


def test_the_calibration_error_by_hand() -> None:
    sure = [0.2] * 10 + [0.9] * 10
    right = [1] * 4 + [0] * 6 + [1] * 8 + [0] * 2
    found = statistics.reliability(sure, right, num_bins=2)
    assert found.error == pytest.approx((0.2 + 0.1) / 2)
    assert [each.difference.difference for each in found.bins] == pytest.approx([0.2, -0.1])
    # The mean of |x| for a normal x, whose variance is that of ten Bernoulli draws each.
    by_hand = [math.sqrt(2 / math.pi * p * (1 - p) / 10) for p in (0.2, 0.9)]
    assert found.error_if_calibrated == pytest.approx(sum(by_hand) / 2)
    for each, count in zip(found.bins, (4, 8), strict=True):
        tails = scipy.stats.binom(10, each.confidence)
        expected = min(1.0, 2 * min(tails.cdf(count), tails.sf(count - 1)))
        assert each.difference.p_value == pytest.approx(expected)
        assert each.right == statistics.mean_interval([1] * count + [0] * (10 - count))


def test_confidences_of_copies_count_once() -> None:
    sure, right = np.repeat([0.5], 400), np.repeat(np.arange(40) < 27, 10)
    alone, copied = (
        statistics.reliability(sure, right, groups, 1).bins[0].difference
        for groups in (None, [f"g{row // 10}" for row in range(400)])
    )
    once = statistics.reliability(sure[:40], np.arange(40) < 27, None, 1).bins[0].difference
    assert alone.p_value < 1e-6
    assert copied.p_value == pytest.approx(once.p_value, rel=0.3)
    assert copied.low < alone.low


@pytest.mark.parametrize(
    ("sure", "right", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], 1.0),
        ([0.4, 0.3, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5], [0, 1, 1], 0.5),
        ([0.1, 0.3, 0.2], [0, 0, 1], 0.5),
        ([0.1, 0.2], [1, 1], None),
        ([0.1, 0.2], [0, 0], None),
    ],
)
def test_how_often_the_right_one_is_surer(sure: list[float], right: list[int], expected: float | None) -> None:
    assert statistics.ranked_right(sure, right) == expected


def test_confidences_without_scores_are_refused() -> None:
    with pytest.raises(InputError, match="2 confidences but 3 scores"):
        statistics.reliability([0.1, 0.2], [0, 1, 1])
