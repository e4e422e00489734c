"""The ranks of one training: how many, what each is told, and what happens when one is lost."""

import itertools
from collections.abc import Mapping

import pytest

from cowest.cluster import Patience
from cowest.cluster.gang import MAX_LOSSES, Gang, num_ranks
from cowest.errors import CowestError, EndpointError, TrainingError
from tests.cluster.fake_ranks import FakeRank, FakeRanks


@pytest.mark.parametrize(
    ("accumulation", "places", "expected"), [(8, 1, 1), (8, 3, 2), (8, 8, 8), (8, 100, 8), (6, 5, 3), (7, 6, 1)]
)
def test_ranks_divide_a_step(accumulation: int, places: int, expected: int) -> None:
    assert num_ranks(accumulation, places) == expected


def train(ranks: FakeRanks, *, reached: list[int] | None = None, patience: Patience | None = None) -> list[str]:
    """Trains; returns which rank-independent calls were made."""
    calls: list[str] = []
    steps = iter(reached or itertools.repeat(0))
    clock = itertools.count(0.0, 10.0)
    gang = Gang(ranks, on_gpu=False, patience=patience, now=lambda: next(clock))
    gang.train(
        "sft",
        lambda: calls.append("trained"),
        8,
        reached=lambda: next(steps),
        tell=lambda: calls.append("told"),
    )
    return calls


def test_each_rank_is_told_who_it_is() -> None:
    told: list[Mapping[str, str]] = []
    ranks = FakeRanks("a", "b", on_rank=lambda rank, environment: told.append(environment))
    assert train(ranks).count("trained") == 2
    assert sorted(each["RANK"] for each in told) == ["0", "1"]
    assert {(each["WORLD_SIZE"], each["LOCAL_RANK"], each["MASTER_ADDR"], each["MASTER_PORT"]) for each in told} == {
        ("2", "0", "address of a", "29500")
    }
    assert all(each["ACCELERATE_USE_CPU"] == "true" for each in told)
    assert all(rank.is_killed for rank in ranks.started)


def test_an_error_of_the_training_is_raised_and_ends_all() -> None:
    def fail(rank: FakeRank, environment: Mapping[str, str]) -> CowestError | None:
        return TrainingError("The loss is not a number.") if environment["RANK"] == "1" else None

    ranks = FakeRanks("a", "b", on_rank=fail)
    with pytest.raises(TrainingError, match="not a number"):
        train(ranks)
    assert len(ranks.started) == 2
    assert all(rank.is_killed for rank in ranks.started)


def test_a_lost_rank_ends_the_gang_which_begins_again() -> None:
    def lose_first(rank: FakeRank, environment: Mapping[str, str]) -> None:
        if rank is ranks.started[1]:
            raise ConnectionError("the actor died")

    ranks = FakeRanks("a", "b", on_rank=lose_first)
    train(ranks)
    assert len(ranks.started) == 4
    assert all(rank.is_killed for rank in ranks.started)


def test_ranks_that_are_lost_again_and_again_are_an_error() -> None:
    def lose(rank: FakeRank, environment: Mapping[str, str]) -> None:
        raise ConnectionError("the actor died\nat line 7")

    ranks = FakeRanks("a", on_rank=lose)
    with pytest.raises(EndpointError, match=r"lost .*\(the actor died\)\. The same command goes on"):
        train(ranks)
    assert len(ranks.started) == MAX_LOSSES
    further = FakeRanks("a", on_rank=lose)
    with pytest.raises(EndpointError):  # each gang that comes to a further checkpoint is the first of its kind
        train(further, reached=[0, 5, 5, 10, 10, *[10] * 20])
    assert len(further.started) == MAX_LOSSES + 1


def test_ranks_that_are_never_ready_are_an_error() -> None:
    ranks = FakeRanks("a", "b")
    ranks.is_ready = False
    with pytest.raises(EndpointError, match="was not ready after"):
        train(ranks, patience=Patience(starting_s=5.0))


def test_no_node_is_an_error_after_a_while() -> None:
    with pytest.raises(EndpointError, match="no node to train on"):
        train(FakeRanks(), patience=Patience(no_engine_s=15.0))
