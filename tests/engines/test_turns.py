"""Work in turn: once for all who wait, again for who comes while it is done, and given up at once."""

import threading
from concurrent.futures import Future

import pytest

from cowest.engines.turns import Turns
from cowest.errors import EndpointError

PATIENCE_S = 10


class Work:
    """Work that begins, and goes on until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.num_begun = 0
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.error = error

    def __call__(self) -> None:
        self.num_begun += 1
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error


def ended(*futures: Future[None]) -> list[BaseException | None]:
    return [future.exception(PATIENCE_S) for future in futures]


def test_work_that_waits_is_done_once_and_work_that_has_begun_once_more() -> None:
    turns, first, second = Turns("the servers"), Work(), Work()
    begun = turns.submit("a", first)
    assert first.begun.wait(PATIENCE_S)
    # Who comes now may have seen what the work that has begun did not: a server that died meanwhile.
    again, also = turns.submit("a", second), turns.submit("a", second)
    assert again is also
    assert again is not begun
    first.may_end.set()
    second.may_end.set()
    assert ended(begun, again) == [None, None]
    assert (first.num_begun, second.num_begun) == (1, 1)


def test_a_failure_stands_for_all_who_wait_until_it_is_given_up() -> None:
    error = EndpointError("no memory")
    turns, fails, never = Turns("the servers"), Work(error), Work()
    first = turns.submit("a", fails)
    assert fails.begun.wait(PATIENCE_S)
    second = turns.submit("b", never)
    fails.may_end.set()
    assert ended(first, second) == [error, error]
    assert not never.num_begun
    turns.give_up()
    turns.after_giving_up(lambda: None)
    assert turns.failure is None
    never.may_end.set()
    assert ended(turns.submit("b", never)) == [None]


def test_what_is_given_up_never_begins() -> None:
    turns, under_way, never = Turns("the servers"), Work(), Work()
    first = turns.submit("a", under_way)
    assert under_way.begun.wait(PATIENCE_S)
    second = turns.submit("b", never)
    turns.give_up()
    assert turns.cancelled.is_set()
    under_way.may_end.set()
    (nothing, stopped) = ended(first, second)
    assert nothing is None
    assert isinstance(stopped, EndpointError)
    assert not never.num_begun
    turns.after_giving_up(lambda: None)
    assert not turns.cancelled.is_set()
    assert turns.failure is None


def test_another_kind_of_error_is_not_remembered() -> None:
    turns, broken = Turns("the servers"), Work(ZeroDivisionError())
    broken.may_end.set()
    with pytest.raises(ZeroDivisionError):
        turns.submit("a", broken).result(PATIENCE_S)
    assert turns.failure is None
