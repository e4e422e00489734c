"""The control law against simulated endpoints: hours of calls in seconds, with seeded latencies and faults."""

import heapq
import math
from dataclasses import dataclass, field
from itertools import count, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest.models.pace import Pace
from cowest.models.rate import CUT, FIRST_RATE, LONGEST_PAUSE_S, AdaptiveRate
from cowest.models.refusals import Call
from tests.endpoint.limiters import make_limiter


@dataclass
class Simulation:
    """`num_calls` calls, all wanted at once, to an endpoint with a limit; faults do not take from the limit."""

    num_calls: int
    limit: float | None = 50.0
    limiter: str = "bucket"
    burst_s: float = 1.0
    latency_s: float = 0.3
    fault_share: float = 0.05
    slow_refusals: bool = False
    retry_after: bool = False
    most: float | None = None
    num_in_flight: int = 64
    seed: int = 0
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)

    def run(self) -> "Simulation":
        random, order = Random(self.seed), count()
        limiter = make_limiter(self.limiter, self.limit, self.burst_s) if self.limit else None
        rate = AdaptiveRate(self.most)
        now, waiting, in_flight, had_to_wait = 0.0, self.num_calls, 0, False
        events: list[tuple[float, int, str, Any]] = []

        def later(when: float, what: str, call: Any) -> None:
            heapq.heappush(events, (when + abs(random.gauss(0, 0.002)), next(order), what, call))

        while len(self.answered) < self.num_calls:
            while waiting and in_flight < self.num_in_flight and rate.wait_s(now) == 0:
                later(now, "arrives", rate.start(now, had_to_wait))
                waiting, in_flight = waiting - 1, in_flight + 1
                had_to_wait = waiting > 0
            can_start = waiting and in_flight < self.num_in_flight
            now = min(now + rate.wait_s(now) if can_start else math.inf, events[0][0] if events else math.inf)
            assert now < 100_000
            while events and events[0][0] <= now:
                when, _, what, call = heapq.heappop(events)
                if what == "again":
                    waiting += 1
                    continue
                if what == "arrives":
                    if random.random() < self.fault_share:
                        later(when + self.latency_s, "fails", call)
                    elif limiter is None or limiter.take(1, when):
                        later(when + self.latency_s, "answered", call)
                    else:
                        wait_s = math.ceil(limiter.wait_s(1, when)) if self.retry_after else None
                        later(when + (self.latency_s if self.slow_refusals else 0.003), "refused", (call, wait_s))
                    continue
                in_flight -= 1
                if what == "answered":
                    rate.succeeded(call, when)
                    self.answered.append(when)
                elif what == "fails":
                    rate.failed(call)
                    later(when + random.uniform(0.25, 0.5), "again", None)
                else:
                    refused, wait_s = call
                    rate.refused(refused, when, wait_s)
                    self.refused.append(when)
                    later(when + (wait_s or 0.0), "again", None)
                self.rates.append((when, rate.rate))
        return self

    @property
    def share_of_limit(self) -> float:
        assert self.limit is not None
        return len(self.answered) / self.answered[-1] / self.limit

    @property
    def refused_share(self) -> float:
        return len(self.refused) / len(self.answered)


@pytest.mark.parametrize("seed", range(3))
def test_an_unknown_limit_is_found_and_kept(seed: int) -> None:
    found = Simulation(6000, seed=seed).run()
    assert found.share_of_limit >= 0.97
    assert found.refused_share <= 0.02


@pytest.mark.parametrize("limit", [0.5, 5.0, 500.0])
def test_limits_of_every_size(limit: float) -> None:
    found = Simulation(int(600 + 40 * limit), limit=limit, burst_s=max(1.0, 10 / limit), num_in_flight=512).run()
    assert found.share_of_limit >= 0.9
    assert found.refused_share <= (0.05 if limit > 1 else 0.2)


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize(
    ("limiter", "burst_s", "slow", "share", "refused"),
    [
        ("bucket", 1.0, False, 0.97, 0.02),
        ("bucket", 1.0, True, 0.97, 0.025),
        ("bucket", 0.1, False, 0.965, 0.01),
        ("bucket", 0.1, True, 0.97, 0.012),
        ("bucket", 60.0, False, 0.97, 0.02),
        ("fixed", 1.0, False, 0.95, 0.02),
        ("fixed", 1.0, True, 0.945, 0.02),
        # Even a perfectly even pace fills 0.954 of such a window, with 5% faults that are not counted.
        ("window", 1.0, False, 0.92, 0.02),
        ("window", 1.0, True, 0.91, 0.02),
        ("fixed", 10.0, False, 0.94, 0.02),
        ("fixed", 10.0, True, 0.92, 0.05),
        ("window", 10.0, False, 0.93, 0.02),
    ],
)
def test_ways_of_counting_and_refusing(
    limiter: str, burst_s: float, slow: bool, share: float, refused: float, retry_after: bool
) -> None:
    found = Simulation(3500, limiter=limiter, burst_s=burst_s, slow_refusals=slow, retry_after=retry_after).run()
    assert found.share_of_limit >= share
    assert found.refused_share <= refused


def test_a_window_of_a_minute_is_waited_for() -> None:
    found = Simulation(6000, limiter="fixed", burst_s=60.0, retry_after=True).run()
    assert found.share_of_limit >= 0.95
    assert found.refused_share <= 0.02


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    limiter=st.sampled_from(["bucket", "window", "fixed"]),
    slow=st.booleans(),
    retry_after=st.booleans(),
    fault_share=st.sampled_from([0.0, 0.05]),
    seed=st.integers(0, 1000),
)
def test_no_seed_starves_a_run_or_pesters_an_endpoint(
    limiter: str, slow: bool, retry_after: bool, fault_share: float, seed: int
) -> None:
    found = Simulation(
        2500, limiter=limiter, fault_share=fault_share, slow_refusals=slow, retry_after=retry_after, seed=seed
    ).run()
    assert len(found.answered) == 2500
    assert found.share_of_limit >= 0.88
    assert found.refused_share <= 0.035


def test_a_known_limit_is_begun_at_and_never_exceeded() -> None:
    found = Simulation(3000, most=50.0, fault_share=0.0).run()
    assert found.share_of_limit >= 0.98
    assert found.refused == []
    assert max(rate for _, rate in found.rates) == 50.0


def test_a_known_limit_that_is_refused_is_cut_all_the_same() -> None:
    found = Simulation(3000, limit=40.0, most=50.0).run()
    assert found.share_of_limit >= 0.95
    assert found.refused_share <= 0.03


def test_no_limit_is_no_hindrance() -> None:
    found = Simulation(20_000, limit=None, latency_s=0.01, fault_share=0.0).run()
    # 64 in flight at 10 ms and a little: 5,000 a second or so.
    assert len(found.answered) / found.answered[-1] > 3500


def test_faults_do_not_shrink_the_rate() -> None:
    found = Simulation(3000, limit=None, fault_share=0.5).run()
    rates = [rate for _, rate in found.rates]
    assert rates == sorted(rates)


def started(rate: AdaptiveRate, now: float, how_many: int, waited: bool = True) -> list[Call]:
    return [rate.start(now, waited) for _ in range(how_many)]


def test_refusals_cut_no_deeper_than_what_was_let_through() -> None:
    rate = AdaptiveRate(most=50.0)
    calls = started(rate, 0.0, 100)
    for call in calls[:50]:
        rate.refused(call, 0.1)
    assert rate.rate == pytest.approx(CUT * 50.0)


def test_a_run_of_refusals_cuts_no_deeper_than_what_was_let_through_before_it() -> None:
    rate = AdaptiveRate(most=50.0)
    for n in range(100):  # two seconds of successes, then 0.4 s in which all are refused
        call = rate.start(n / 50, waited=True)
        if n < 80:
            rate.succeeded(call, n / 50 + 0.005)
        else:
            rate.refused(call, n / 50 + 0.005)
    assert rate.rate > 47.0


def test_a_pace_that_refusals_slowed_down_is_taken_up_again_before_an_answer_comes() -> None:
    pace, now, gaps = Pace(is_told=False), 0.0, []
    for n in range(12):
        call = pace.start(now, 100.0, 0, waited=True)
        if n < 6:
            pace.refused(call, now + 0.004)
        gaps.append(pace.next_at(100.0) - now)
        now += gaps[-1]
    # None of the later calls has been answered yet; they are in flight for longer than the refusals took.
    assert max(gaps[:8]) > 0.03
    assert gaps[-1] < 0.011


@pytest.mark.parametrize("closed_s", [3.0, 20.0, 120.0])
def test_an_opening_is_noticed_before_long(closed_s: float) -> None:
    rate, now = AdaptiveRate(), 0.0
    rate.succeeded(rate.start(now, waited=True), 0.3)
    while now < closed_s:
        now += rate.wait_s(now)
        rate.refused(rate.start(now, waited=True), now + 0.003)
    assert now < 1.45 * closed_s + 1.0


def test_calls_that_had_not_to_wait_raise_nothing() -> None:
    rate = AdaptiveRate()
    for call in started(rate, 0.0, 10, waited=False):
        rate.succeeded(call, 0.3)
    assert rate.rate == FIRST_RATE


def test_a_refusal_that_says_how_long_to_wait_holds_the_others_back_only_if_it_stays_alone() -> None:
    rate = AdaptiveRate(most=50.0)
    calls = started(rate, 10.0, 5)
    rate.refused(calls[0], 10.1, 42.0)
    assert rate.wait_s(10.2) == 0
    for call in calls[1:]:
        rate.refused(call, 10.1, 42.0)
    assert rate.wait_s(10.1) == pytest.approx(41.0)  # whole seconds are rounded up
    assert rate.is_limited(10.1)
    (later,) = started(rate, 10.2, 1)
    rate.succeeded(later, 10.5)
    assert rate.wait_s(10.6) == 0


def test_a_long_closed_endpoint_is_asked_ever_more_rarely_and_the_rate_survives() -> None:
    rate, now, asked = AdaptiveRate(), 0.0, []
    (call,) = started(rate, now, 1)
    rate.succeeded(call, 0.3)
    before = rate.rate
    while now < 1000:
        now += rate.wait_s(now)
        (call,) = started(rate, now, 1)
        asked.append(now)
        assert rate.wait_s(now) > 0
        now += 0.5
        rate.refused(call, now)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert len(asked) < 35
    assert LONGEST_PAUSE_S <= gaps[-1] <= LONGEST_PAUSE_S + 1
    assert rate.refused_for_s(now) == pytest.approx(now - asked[0])
    now += rate.wait_s(now)
    (call,) = started(rate, now, 1)
    rate.succeeded(call, now + 0.3)
    assert rate.refused_for_s(now + 0.3) == 0
    assert rate.wait_s(now + 0.3) < 1
    assert rate.rate >= 0.2 * before
