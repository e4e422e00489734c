"""How many calls an endpoint takes at once, against simulated ones that take so many or slow down."""

import heapq
from random import Random

import pytest

from cowest.models.found_limit import FIRST, LEAST, MOST, FoundLimit


def simulate(num_slots: int, latency_s: float, *, seed: int = 0, until: float = 300.0) -> tuple[FoundLimit, float]:
    """Calls that are always wanted, to an endpoint that works on `num_slots` at once; answers a second in the end."""
    random, found = Random(seed), FoundLimit()
    now, in_flight, queued, num_late = 0.0, 0, 0, 0
    working: list[float] = []
    while now < until:
        while in_flight < found.limit:
            in_flight += 1
            queued += 1
        while queued and len(working) < num_slots:
            queued -= 1
            heapq.heappush(working, now + latency_s * random.uniform(0.5, 1.5))
        now = heapq.heappop(working)
        found.answered(now, in_flight, is_full=True)
        in_flight -= 1
        num_late += now > 0.8 * until
    return found, num_late / (0.2 * until)


@pytest.mark.parametrize(("num_slots", "latency_s"), [(256, 2.0), (1000, 5.0), (64, 0.5)])
def test_what_the_endpoint_takes_is_found(num_slots: int, latency_s: float) -> None:
    found, per_s = simulate(num_slots, latency_s)
    assert per_s >= 0.9 * num_slots / latency_s
    assert found.limit <= 7 * num_slots


def test_an_endpoint_that_takes_all_gets_as_many_as_there_may_be() -> None:
    found, _ = simulate(10**6, 1.0, until=14.0)
    assert found.limit == MOST


def test_nothing_grows_while_something_else_holds_the_calls_back() -> None:
    found = FoundLimit()
    for second in range(1000):
        found.answered(second, FIRST, is_full=False)
    assert found.limit == FIRST


def test_calls_that_get_no_answer_halve_it_but_a_few_among_many_do_not() -> None:
    found = FoundLimit()
    for number in range(1000):
        found.answered(0.1 * number, FIRST, is_full=False)
        if number % 50 == 0:
            found.failed(FIRST)
    assert found.limit == FIRST
    for _ in range(20):
        found.failed(FIRST)
    assert found.limit == FIRST // 2
    for _ in range(20):
        for number in range(40):
            found.answered(1000.0 + number, found.limit, is_full=False)
        for _ in range(10):
            found.failed(found.limit)
    assert found.limit == LEAST
