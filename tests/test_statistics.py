import math
import time

import numpy as np
import pytest
import scipy.stats

from cowest import statistics
from cowest.errors import InputError
from cowest.statistics import bootstrap, paired


def test_mean_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).beta(2, 5, size=300)
    interval = statistics.mean_interval(values)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(reference.low, abs=1.5e-3)
    assert interval.high == pytest.approx(reference.high, abs=1.5e-3)


def test_mean_interval_of_a_share_agrees_with_the_binomial_quantiles() -> None:
    values = [1] * 60 + [0] * 40
    interval = statistics.mean_interval(values)
    low, high = scipy.stats.binom(100, 0.6).ppf([0.025, 0.975]) / 100
    assert interval.low == pytest.approx(low, abs=0.011)
    assert interval.high == pytest.approx(high, abs=0.011)


def test_same_seed_same_interval_and_other_seed_another() -> None:
    values = np.random.default_rng(0).random(50)
    assert statistics.mean_interval(values, seed=4) == statistics.mean_interval(values, seed=4)
    assert statistics.mean_interval(values, seed=4) != statistics.mean_interval(values, seed=5)


@pytest.mark.parametrize("count", [1, 6, 700])
def test_all_wrong_and_all_right_have_wilsons_interval(count: int) -> None:
    for score in (0, 1):
        reference = scipy.stats.binomtest(score * count, count).proportion_ci(method="wilson")
        interval = statistics.mean_interval([score] * count)
        assert interval.value == score
        assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
        assert interval.high - interval.low > 0.005


def test_equal_scores_between_0_and_1_leave_room_on_both_sides() -> None:
    unseen = scipy.stats.binomtest(0, 20).proportion_ci(method="wilson").high
    interval = statistics.mean_interval([0.25] * 20)
    assert interval.value == 0.25
    assert interval.low == pytest.approx(0.25 * (1 - unseen))
    assert interval.high == pytest.approx(0.25 * (1 - unseen) + unseen)


def test_the_interval_of_an_all_wrong_method_covers_what_it_should() -> None:
    # A method that is right 10% of the time gets none of 20 right in 12% of test sets; its interval must hold 10%.
    interval = statistics.mean_interval([0] * 20)
    assert interval.low == 0.0
    assert 0.1 < interval.high < 0.2
    # A wrong answer among many right ones leaves it to the bootstrap.
    assert statistics.mean_interval([1] * 19 + [0]).high == 1.0


def test_values_that_are_no_scores_and_never_vary_are_a_point() -> None:
    interval = statistics.mean_interval([3.0, 3.0])
    assert (interval.low, interval.value, interval.high) == (3.0, 3.0, 3.0)


def test_differences_that_never_vary_are_not_certain() -> None:
    unseen = scipy.stats.binomtest(0, 20).proportion_ci(method="wilson").high
    for scores in ([0] * 20, [1] * 20, [0, 1] * 10, [0.25, 0.5] * 10):
        same = statistics.paired_difference(scores, scores)
        assert (same.difference, same.p_value) == (0.0, 1.0)
        assert (same.low, same.high) == pytest.approx((-unseen, unseen))
    better = statistics.paired_difference([1] * 20, [0] * 20)
    assert better.difference == 1.0
    # All that was not seen might be the other way round.
    assert (better.low, better.high) == pytest.approx((1 - 2 * unseen, 1.0))
    worse = statistics.paired_difference([0] * 20, [1] * 20)
    assert (worse.low, worse.high) == pytest.approx((-1.0, 2 * unseen - 1))
    few = statistics.paired_difference([1, 1, 1], [0, 0, 0])
    assert few.low < 0 < few.p_value


@pytest.mark.parametrize("values", [[], [0.0, math.nan], [1.0, math.inf], [[1.0]]])
def test_values_that_have_no_mean_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError):
        statistics.mean_interval(values)


def test_no_resamples_are_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        statistics.mean_interval([1.0], resamples=0)


def test_chunks_do_not_change_the_number_of_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = bootstrap.in_chunks(np.zeros, 1003, 10)
    monkeypatch.setattr(bootstrap, "_CHUNK", 70)
    assert len(drawn) == len(bootstrap.in_chunks(np.zeros, 1003, 10)) == 1003


def test_ten_thousand_resamples_of_a_thousand_are_quick() -> None:
    values = np.random.default_rng(0).random(1000)
    started = time.process_time()
    statistics.mean_interval(values)
    assert time.process_time() - started < 0.5


def test_mcnemar_by_hand() -> None:
    # only a right 5 times, only b right once: p = 2 (C(6,0) + C(6,1)) / 2^6 = 14/64.
    a = [1] * 5 + [0] + [1] * 10 + [0] * 3
    b = [0] * 5 + [1] + [1] * 10 + [0] * 3
    assert statistics.mcnemar(a, b) == pytest.approx(14 / 64)
    assert statistics.mcnemar(b, a) == pytest.approx(14 / 64)
    assert statistics.mcnemar(a, a) == 1.0
    with pytest.raises(InputError, match="0 and 1"):
        statistics.mcnemar([0.5], [1.0])


def test_paired_difference_of_accuracies_uses_mcnemar() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random(400) < 0.7, rng.random(400) < 0.6
    difference = statistics.paired_difference(a, b)
    assert difference.difference == pytest.approx(a.mean() - b.mean())
    assert difference.p_value == statistics.mcnemar(a, b)
    # The paired standard error: sd of the differences over sqrt(n).
    error = np.std(a.astype(float) - b) / 20
    assert difference.high - difference.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_sign_flip_by_enumeration() -> None:
    # Differences 0.5, 0.25, 0.25: sums as extreme as 1.0 are +++ and ---, 2 of 8.
    assert statistics.paired_difference([1, 0.75, 0.5], [0.5, 0.5, 0.25]).p_value == pytest.approx(2 / 8)
    # A difference of zero changes nothing.
    assert statistics.paired_difference([1, 0.75, 0.5, 0.3], [0.5, 0.5, 0.25, 0.3]).p_value == pytest.approx(2 / 8)
    assert statistics.paired_difference([0.3, 0.4], [0.3, 0.4]).p_value == 1.0


def test_sampled_sign_flip_agrees_with_scipy_and_with_mcnemar() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random(60), rng.random(60) + 0.09
    reference = scipy.stats.permutation_test(
        (a, b),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(9),
    ).pvalue
    assert statistics.paired_difference(a, b).p_value == pytest.approx(reference, abs=0.015)
    flips = (rng.random(40) < 0.7).astype(float)
    exact = statistics.mcnemar(flips, 1 - flips)
    assert paired._sign_flip(flips - (1 - flips), 50_000, 0) == pytest.approx(exact, abs=0.005)


def test_sampled_p_value_is_never_zero() -> None:
    assert statistics.paired_difference([0.9] * 100, [0.1] * 100).p_value == pytest.approx(1 / 10_001)


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
    assert both.low == pytest.approx(one.low, abs=2e-3)
    assert both.high == pytest.approx(one.high, abs=2e-3)


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


def test_rounding_is_no_difference() -> None:
    found = statistics.paired_difference([0.1 + 0.2] * 20, [0.3] * 20)
    assert found.p_value == 1.0
    assert statistics.paired_difference([0.1 + 0.2 + 1e-6] * 20, [0.3] * 20).p_value < 0.01
