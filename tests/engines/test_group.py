"""The servers of one role: one a GPU, adapters by name, one restart, and no server that nobody needs."""

import asyncio
from pathlib import Path

import pytest

from cowest import synchronous
from cowest.engines import EngineConfig, Fleet, Group, Serving, User
from cowest.errors import EndpointError
from tests.engines.engines import adapter, answers, deployment, lives, scripted, seen


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def user_of(tmp_path: Path, name: str | None = None) -> User:
    return User(deployment(tmp_path), None if name is None else adapter(tmp_path, name))


async def called(group: Group, user: User) -> int:
    """The port of the server that a call got."""
    async with group.lease(user) as slot:
        return int(slot.server.url.rpartition(":")[2].removesuffix("/v1"))


def modules(started: dict[str, list[str]]) -> list[str]:
    """The names of the adapters that a server was started with."""
    given = started["argv"]
    listed = given[given.index("--lora-modules") + 1 :] if "--lora-modules" in given else []
    return [each.partition("=")[0] for each in listed if "=" in each]


def test_one_server_a_gpu_and_the_least_busy_is_called(tmp_path: Path, events: Path) -> None:
    group = Group(scripted(events, gpus=("0", ("2", "3"))), "weak", tmp_path / "logs")
    user = user_of(tmp_path)

    async def twice() -> tuple[int, int]:
        async with group.lease(user):
            return await called(group, user), await called(group, user)

    try:
        first, second = synchronous.run(twice())
        started = {each["gpus"]: each["argv"] for each in seen(events, "started")}
        assert set(started) == {"0", "2,3"}
        assert started["2,3"][started["2,3"].index("--tensor-parallel-size") + 1] == "2"
        assert first == second  # the other one works on the call that is under way
        assert {path.name for path in (tmp_path / "logs").iterdir()} == {"weak-gpu-0.log", "weak-gpu-2-3.log"}
    finally:
        group.stop()
    assert not any(answers(port) for port in (first, second))


def test_all_that_wait_share_one_start_and_one_failure(tmp_path: Path, events: Path) -> None:
    group = Group(scripted(events, "--scripted-dies-at-start"), "weak", tmp_path)
    user = user_of(tmp_path)

    async def many() -> list[int | BaseException]:
        return await asyncio.gather(*(called(group, user) for _ in range(50)), return_exceptions=True)

    outcomes = synchronous.run(many())
    assert {type(outcome) for outcome in outcomes} == {EndpointError}
    with pytest.raises(EndpointError, match="CUDA out of memory"):
        synchronous.run(called(group, user))
    assert len(seen(events, "started")) == 1
    group.stop()  # forgets it, so that the next use tries again
    with pytest.raises(EndpointError):
        synchronous.run(called(group, user))
    assert len(seen(events, "started")) == 2


def test_adapters_that_are_known_are_there_from_the_start(tmp_path: Path, events: Path) -> None:
    group = Group(scripted(events), "weak", tmp_path / "logs")
    base, one, two = user_of(tmp_path), user_of(tmp_path, "one"), user_of(tmp_path, "two")
    for user in (base, one, two):
        group.register(user)
    try:
        ports = {synchronous.run(called(group, user)) for user in (base, one, two, one)}
        assert len(ports) == 1
        assert modules(seen(events, "started")[0]) == ["adapter-one", "adapter-two"]
        late = user_of(tmp_path, "late")
        synchronous.run(called(group, late))
        assert [len(modules(each)) for each in seen(events, "started")] == [2, 3]
    finally:
        group.stop()


def test_a_new_adapter_waits_for_the_calls_under_way(tmp_path: Path, events: Path) -> None:
    group = Group(scripted(events), "weak", tmp_path / "logs")
    first, second = user_of(tmp_path, "one"), user_of(tmp_path, "two")

    async def overlapping() -> list[int]:
        async with group.lease(first) as slot:
            other = asyncio.create_task(called(group, second))
            while not group._is_switching:
                await asyncio.sleep(0.01)
            still_there = slot.server.is_alive()
        await other
        return [still_there, len(seen(events, "started"))]

    try:
        assert synchronous.run(overlapping()) == [True, 2]
    finally:
        group.stop()


def test_adapters_are_loaded_into_running_servers_where_that_is_allowed(tmp_path: Path, events: Path) -> None:
    group = Group(scripted(events, load_at_runtime=True), "weak", tmp_path / "logs")
    try:
        first = synchronous.run(called(group, user_of(tmp_path, "one")))
        second = synchronous.run(called(group, user_of(tmp_path, "two")))
        assert first == second
        assert len(seen(events, "started")) == 1
        assert [each["name"] for each in seen(events, "loaded")] == ["adapter-two"]
    finally:
        group.stop()


def test_a_server_that_died_idle_is_started_again_once(
    tmp_path: Path, events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group(scripted(events), "weak", tmp_path / "logs")
    user = user_of(tmp_path)

    def kill() -> None:
        slot = group._slots[0]
        process = slot.server._process  # type: ignore[attr-defined]
        process.kill()
        process.wait()

    try:
        synchronous.run(called(group, user))
        kill()
        synchronous.run(called(group, user))
        assert len(seen(events, "started")) == 2
        kill()
        with pytest.raises(EndpointError, match="started again, and has ended again"):
            synchronous.run(called(group, user))
        monkeypatch.setattr("cowest.engines.turns.FORGOTTEN_S", 0.0)  # long after, for a process that serves
        monkeypatch.setattr("cowest.engines.group._TRUSTED_AGAIN_S", 0.0)
        synchronous.run(called(group, user))
        assert len(seen(events, "started")) == 3
    finally:
        group.stop()
    assert not any(lives(each["pid"]) for each in seen(events, "started"))


def test_servers_end_when_the_last_that_used_them_lets_go(tmp_path: Path, events: Path) -> None:
    group = Group(scripted(events), "weak", tmp_path / "logs")
    one, two = user_of(tmp_path, "one"), user_of(tmp_path, "two")
    group.register(two)
    port = synchronous.run(called(group, one))
    synchronous.run(called(group, two))
    group.release(one)
    assert answers(port)
    group.release(two)
    assert not answers(port)


def test_a_stop_ends_a_start_that_is_under_way(tmp_path: Path, events: Path) -> None:
    group = Group(scripted(events, "--scripted-never-healthy"), "weak", tmp_path)
    user = user_of(tmp_path)

    async def interrupted() -> None:
        waiting = asyncio.create_task(called(group, user))
        while not seen(events, "started"):
            await asyncio.sleep(0.01)
        waiting.cancel()

    synchronous.run(interrupted())
    group.stop()
    assert not any(lives(each["pid"]) for each in seen(events, "started"))
    assert not group._slots


def test_what_serves_what_is_told_as_it_changes(tmp_path: Path, events: Path) -> None:
    told: list[Serving] = []
    fleet = Fleet(tmp_path / "logs", told.append)
    group = fleet.group("weak", scripted(events))
    one, two = user_of(tmp_path, "one"), user_of(tmp_path, "two")
    ports = [synchronous.run(called(group, one)), synchronous.run(called(group, two))]
    fleet.stop()
    running = [each for each in told if each.urls]
    assert [each.urls for each in running] == [(f"http://127.0.0.1:{port}/v1",) for port in ports]
    assert [each.adapters for each in running] == [("adapter-one",), ("adapter-one", "adapter-two")]
    assert {each.model for each in running} == {tmp_path}
    assert (told[-1].role, told[-1].urls, told[-1].model) == ("weak", (), None)


def test_a_role_has_one_group_whose_servers_end_with_the_fleet(tmp_path: Path, events: Path) -> None:
    fleet = Fleet(tmp_path / "logs")
    config = scripted(events)
    group = fleet.group("weak", config)
    assert fleet.group("weak", EngineConfig.model_validate(config.model_dump())) is group
    port = synchronous.run(called(group, user_of(tmp_path)))
    assert answers(port)
    other = fleet.group("weak", scripted(events, gpus=("5",)))  # other settings take its place
    assert not answers(port)
    port = synchronous.run(called(other, user_of(tmp_path)))
    fleet.stop()
    assert not answers(port)
