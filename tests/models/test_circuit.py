"""When an endpoint is left out, for how long, and how it comes back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cowest.models.circuit import ENOUGH, FAILURES, FIRST_PAUSE_S, LEAST_SLOW_S, LONGEST_PAUSE_S, MUCH_SLOWER, Circuit


def fail(circuit: Circuit, now: float, *, is_certain: bool = False) -> None:
    attempt = circuit.begin(now)
    circuit.sent(attempt, now)
    circuit.failed(attempt, now, is_certain=is_certain)


def answer(circuit: Circuit, now: float, took_s: float, others_s: float | None = None) -> None:
    attempt = circuit.begin(now - took_s)
    circuit.sent(attempt, now - took_s)
    circuit.answered(attempt, now, others_s)


def test_one_failure_among_answers_leaves_nobody_out() -> None:
    circuit = Circuit()
    for second in range(100):
        fail(circuit, second)
        fail(circuit, second)
        answer(circuit, second, 0.1)
        assert circuit.takes(second)


def test_failures_in_a_row_leave_it_out_and_a_call_that_is_answered_brings_it_back() -> None:
    circuit = Circuit()
    for _ in range(FAILURES):
        assert circuit.takes(0.0)
        fail(circuit, 0.0)
    assert not circuit.takes(FIRST_PAUSE_S - 0.01)
    trial = circuit.begin(FIRST_PAUSE_S)
    assert trial.is_trial
    assert not circuit.takes(FIRST_PAUSE_S)  # one call tries it, the others go elsewhere
    circuit.answered(trial, FIRST_PAUSE_S + 0.2, None)
    assert circuit.takes(FIRST_PAUSE_S + 0.2)
    assert not circuit.is_out


def test_a_refused_connection_says_enough() -> None:
    circuit = Circuit()
    fail(circuit, 0.0, is_certain=True)
    assert circuit.is_out


def test_a_trial_that_was_given_up_leaves_room_for_another() -> None:
    circuit = Circuit()
    fail(circuit, 0.0, is_certain=True)
    circuit.ended(circuit.begin(FIRST_PAUSE_S))
    assert circuit.takes(FIRST_PAUSE_S)


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 1100))
def test_pauses_double_up_to_a_bound(num_trials: int) -> None:
    circuit, now, pauses = Circuit(), 0.0, []
    for _ in range(num_trials):
        fail(circuit, now, is_certain=True)
        pauses.append(circuit.until - now)
        now = circuit.until
    assert pauses == [min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(n, 10)) for n in range(num_trials)]


def test_many_failures_at_once_count_as_one() -> None:
    circuit = Circuit()
    calls = [circuit.begin(0.0) for _ in range(500)]
    for call in calls:
        circuit.failed(call, 1.0)
    assert circuit.until == 1.0 + FIRST_PAUSE_S


def test_an_endpoint_that_is_much_slower_is_left_out_until_it_is_not() -> None:
    circuit, others_s = Circuit(), 2.0
    slow_s = MUCH_SLOWER * others_s + 1
    for second in range(ENOUGH):
        assert not circuit.is_out
        answer(circuit, 100.0 + second, slow_s, others_s)
    assert circuit.is_out
    first_pause_s = circuit.until - (100.0 + ENOUGH - 1)
    trial = circuit.begin(circuit.until)
    ended = circuit.until + slow_s
    circuit.answered(trial, ended, others_s)
    assert circuit.is_out
    assert circuit.until - ended == 2 * first_pause_s
    trial = circuit.begin(circuit.until)
    circuit.answered(trial, circuit.until + others_s, others_s)
    assert not circuit.is_out


def test_slow_is_relative_to_the_others_and_never_a_few_seconds() -> None:
    alone, quick = Circuit(), Circuit()
    for second in range(50):
        answer(alone, second, 100.0, None)
        answer(quick, second, LEAST_SLOW_S - 0.1, 0.001)
    assert not alone.is_out
    assert not quick.is_out


def test_an_endpoint_that_has_gone_silent_is_left_out_before_its_calls_time_out() -> None:
    circuit = Circuit()
    answer(circuit, 0.0, 1.0, 1.0)
    hung = circuit.begin(1.0)
    circuit.sent(hung, 1.0)
    circuit.leave_out_if_silent(15.0, 1.0)
    assert circuit.takes(15.0)
    circuit.leave_out_if_silent(18.0, 1.0)
    assert not circuit.takes(18.0)
