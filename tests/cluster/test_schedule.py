from concurrent.futures import Future

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cowest.cluster.schedule import MAX_LOSSES, Batch, Schedule
from tests.cluster.doubling import Doubling

SMALL, LARGE = Doubling("small", 3), Doubling("large", 50)


def schedule_of(count: int, *engines: str, work: Doubling = SMALL) -> tuple[Schedule, list["Future[int]"]]:
    schedule, futures = Schedule(), [Future[int]() for _ in range(count)]
    for number, future in enumerate(futures):
        schedule.add(work, number, future)
    for engine in engines:
        schedule.join(engine)
    return schedule, futures


def items(batches: list[Batch]) -> list[list[int]]:
    return [[task.item for task in batch.tasks] for batch in batches]


def test_items_are_given_out_in_order_in_fair_shares_up_to_the_batch_size() -> None:
    schedule, _ = schedule_of(9, "a", "b")
    assert items(schedule.assign()) == [[0, 1, 2], [3, 4, 5]]
    assert schedule.assign() == []
    schedule, _ = schedule_of(9, "a", "b", work=LARGE)
    assert items(schedule.assign()) == [[0, 1, 2, 3, 4], [5, 6]]


def test_items_of_a_lost_engine_come_first_again() -> None:
    schedule, _ = schedule_of(9, "a", "b")
    schedule.assign()
    assert schedule.leave("a") == []
    schedule.finish("b")
    assert items(schedule.assign()) == [[0, 1, 2]]


def test_works_are_not_mixed_in_a_batch_and_the_oldest_goes_first() -> None:
    schedule, _ = schedule_of(2, "a")
    schedule.add(LARGE, 2, Future())
    schedule.add(SMALL, 3, Future())
    first = schedule.assign()
    assert (first[0].work, items(first)) == (SMALL, [[0, 1, 3]])
    schedule.finish("a")
    assert items(schedule.assign()) == [[2]]


def test_cancelled_items_are_left_out() -> None:
    schedule, futures = schedule_of(4, "a")
    assert all(futures[number].cancel() for number in (0, 1, 2))
    assert items(schedule.assign()) == [[3]]
    assert not futures[3].cancel()


def test_an_item_that_ends_every_engine_is_given_up() -> None:
    schedule, _ = schedule_of(1)
    for number in range(MAX_LOSSES):
        schedule.join(f"engine {number}")
        assert items(schedule.assign()) == [[0]]
        given_up = schedule.leave(f"engine {number}")
        assert len(given_up) == (number == MAX_LOSSES - 1)
    assert schedule.num_waiting == 0


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Whatever happens, every item is in one place, and is settled once."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule()
        self.added = 0
        self.settled: list[int] = []
        self.engines = 0
        self.given: dict[str, Batch] = {}

    @rule(count=st.integers(1, 9), work=st.sampled_from([SMALL, LARGE]))
    def submit(self, count: int, work: Doubling) -> None:
        for _ in range(count):
            self.schedule.add(work, self.added, Future())
            self.added += 1

    @rule()
    def join(self) -> None:
        self.schedule.join(f"engine {self.engines}")
        self.engines += 1

    @rule()
    def assign(self) -> None:
        for batch in self.schedule.assign():
            assert batch.engine not in self.given
            assert 1 <= len(batch.tasks) <= batch.work.max_batch_size
            assert {task.work for task in batch.tasks} == {batch.work}
            numbers = [task.number for task in batch.tasks]
            assert numbers == sorted(numbers)
            self.given[batch.engine] = batch

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        engine = data.draw(st.sampled_from(sorted(self.given)))
        assert self.schedule.finish(engine) is self.given[engine]
        self.settled += [task.item for task in self.given.pop(engine).tasks]

    @precondition(lambda self: self.schedule.engines)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        engine = data.draw(st.sampled_from(sorted(self.schedule.engines)))
        self.given.pop(engine, None)
        self.settled += [task.item for task in self.schedule.leave(engine)]

    @precondition(lambda self: self.schedule.num_waiting and self.schedule.engines)
    @rule()
    def an_idle_engine_never_waits(self) -> None:
        self.assign()
        assert not self.schedule.num_waiting or all(self.schedule.engines.values())

    @invariant()
    def nothing_is_lost_or_done_twice(self) -> None:
        assert len(self.settled) == len(set(self.settled))
        under_way = sum(len(batch.tasks) for batch in self.given.values())
        assert len(self.settled) + under_way + self.schedule.num_waiting == self.added

    def teardown(self) -> None:
        """With one engine that stays, everything is settled."""
        self.join()
        while self.schedule.num_waiting or self.given:
            self.assign()
            for engine in sorted(self.given):
                self.schedule.finish(engine)
                self.settled += [task.item for task in self.given.pop(engine).tasks]
        assert sorted(self.settled) == list(range(self.added))


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
