import pytest

from cowest.cluster.host import Host, differences, versions
from cowest.errors import InputError
from tests.cluster.doubling import Doubling


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which a host sets for its process


class Counting(Doubling):
    """Counts how often it is opened."""

    num_opened = 0

    def open(self):
        type(self).num_opened += 1
        return super().open()


class Missing(Doubling):
    """A model that the node does not have."""

    def open(self):
        raise InputError("no such folder on this node")


def test_work_is_opened_once_until_it_is_released() -> None:
    host, work = Host(versions(), 1), Counting()
    assert [host.work(work, [1, 2]), host.work(work, [3])] == [[2, 4], [6]]
    assert Counting.num_opened == 1
    host.release(work)
    assert host.work(work, [4]) == [8]
    assert Counting.num_opened == 2


def test_what_another_engine_would_meet_too_is_the_result_of_each_item() -> None:
    outcomes = Host(versions(), 1).work(Missing(), [1, 2])
    assert [str(outcome) for outcome in outcomes] == ["no such folder on this node"] * 2


def test_other_versions_are_refused_but_not_another_build_of_the_same() -> None:
    Host(versions(), 1).check()
    with pytest.raises(InputError, match=r"torch .*here 0\.1"):
        Host(versions() | {"torch": "0.1"}, 1).check()
    assert differences({"torch": "2.9.0+cpu"}, {"torch": "2.9.0+cu128"}) == []
    assert differences({"peft": "1.0"}, {}) == ["peft none (here 1.0)"]
