"""The life of one server: healthy, ended in every way, and nothing left of it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cowest.engines import EngineConfig, LocalServer
from cowest.engines.probing import ask
from cowest.errors import CowestError, EndpointError, InputError
from tests.engines.engines import SCRIPT, adapter, answers, deployment, lives, scripted, seen

NEVER = threading.Event()


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def server_of(tmp_path: Path, config: EngineConfig, **fields: Any) -> LocalServer:
    served = {"gpus": ("1",), "log": tmp_path / "logs" / "weak.log", "what": "the server of weak"} | fields
    return LocalServer(config, deployment(tmp_path), served.pop("adapters", ()), **served)


def gone_within(seconds: float, *pids: int) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(lives, pids))


def test_a_server_gets_model_adapter_and_gpu_and_ends_with_all_its_processes(tmp_path: Path, events: Path) -> None:
    first = adapter(tmp_path, "one")
    server = server_of(tmp_path, scripted(events, "--scripted-child"), adapters=[first])
    server.start(NEVER)
    (started,), (child,) = seen(events, "started"), seen(events, "child")
    argv = started["argv"]
    assert argv[:2] == ["serve", str(tmp_path)]
    assert argv[argv.index("--lora-modules") + 1] == f"{first.name}={first.folder}"
    assert argv[argv.index("--max-lora-rank") + 1] == "8"
    assert argv[argv.index("--seed") + 1] == "3"
    assert started["gpus"] == "1"
    assert server.log.stat().st_mode & 0o777 == 0o600
    listed = ask(server.port, "/v1/models", key=server.key)
    assert listed is not None
    assert [model["id"] for model in listed.json["data"]] == ["cowest-base", first.name]
    assert server.is_alive()
    server.stop()
    assert seen(events, "asked to end")
    assert not answers(server.port)
    assert not lives(started["pid"])
    assert not lives(child["child"])
    server.stop()  # once more does nothing


def test_the_key_is_neither_in_the_command_nor_in_what_is_shown(tmp_path: Path, events: Path) -> None:
    server = server_of(tmp_path, scripted(events))
    server.start(NEVER)
    try:
        assert server.key not in " ".join(seen(events, "started")[0]["argv"])
        assert "the key is [key]" in server.last_lines()
        refused = ask(server.port, "/v1/models", key="another")
        assert refused is not None
        assert refused.status == 401
    finally:
        server.stop()


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path, events: Path) -> None:
    server = server_of(tmp_path, scripted(events, "--scripted-ignores-sigterm", stop_timeout_s=0.2))
    server.start(NEVER)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 3
    assert seen(events, "asked to end")
    assert not lives(seen(events, "started")[0]["pid"])


@pytest.mark.parametrize(
    ("behaviour", "settings", "kind", "words"),
    [
        (["--scripted-dies-at-start"], {}, EndpointError, ["did not start", "CUDA out of memory", "status 3"]),
        (
            ["--scripted-never-healthy"],
            {"start_timeout_s": 0.5},
            EndpointError,
            ["0.5 s", "start_timeout_s", "weak.log"],
        ),
        (["--scripted-version", "0.1.0"], {}, InputError, ["0.1.0", "0.99.1", "version_command"]),
        (["--scripted-port-taken", "9"], {}, EndpointError, ["was taken", "Address already in use", "ports"]),
        (["--no-such-argument"], {}, EndpointError, ["did not start", "--no-such-argument", "status 2"]),
        ([], {"command": ("/no/such/vllm", "serve")}, InputError, ["/no/such/vllm", "not found", "vllm:"]),
        ([], {"command": (str(SCRIPT.parent), "serve")}, InputError, [str(SCRIPT.parent), "not found"]),
    ],
)
def test_a_server_that_does_not_start_is_one_clear_paragraph(
    tmp_path: Path,
    events: Path,
    behaviour: list[str],
    settings: dict[str, Any],
    kind: type[CowestError],
    words: list[str],
) -> None:
    server = server_of(tmp_path, scripted(events, *behaviour, **settings))
    began = time.monotonic()
    with pytest.raises(kind) as failure:
        server.start(NEVER)
    assert time.monotonic() - began < 10
    assert [word for word in words if word not in str(failure.value)] == []
    assert not any(lives(started["pid"]) for started in seen(events, "started"))


def test_a_port_that_is_taken_at_the_last_moment_is_replaced(tmp_path: Path, events: Path) -> None:
    server = server_of(tmp_path, scripted(events, "--scripted-port-taken", "1"))
    server.start(NEVER)
    server.stop()
    ports = [each["argv"][each["argv"].index("--port") + 1] for each in seen(events, "started")]
    assert len(set(ports)) == 2


def test_a_build_for_another_cuda_is_the_same_version(tmp_path: Path, events: Path) -> None:
    server = server_of(tmp_path, scripted(events))
    server.deployment = replace(server.deployment, version="0.99.1+cu129")
    server.start(NEVER)
    server.stop()


def test_ports_are_taken_from_the_range_and_a_full_one_is_named(tmp_path: Path, events: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"{port} to {port}"):
            server_of(tmp_path, scripted(events, ports=(port, port))).start(NEVER)
    server = server_of(tmp_path, scripted(events, ports=(port, port)))
    server.start(NEVER)
    server.stop()
    assert server.port == port


def test_a_start_can_be_cancelled(tmp_path: Path, events: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(EndpointError, match="stopped"):
        server_of(tmp_path, scripted(events, "--scripted-never-healthy")).start(cancelled)
    assert not any(lives(started["pid"]) for started in seen(events, "started"))


def test_a_long_start_is_never_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cowest.engines.local._SAY_EVERY_S", 0.2)
    with pytest.raises(EndpointError):
        server_of(tmp_path, scripted(None, "--scripted-never-healthy", start_timeout_s=1.0)).start(NEVER)
    said = [line for line in capfd.readouterr().err.splitlines() if "waiting for the server of weak" in line]
    assert 2 <= len(said) <= 5
    assert "it says: " in said[-1]


DRIVER = """
import sys, threading, time
from pathlib import Path
from cowest.engines import LocalServer
from tests.engines.engines import deployment, scripted
folder = Path(sys.argv[1])
config = scripted(folder / "events.jsonl", "--scripted-child", stop_timeout_s=0.5)
server = LocalServer(config, deployment(folder), (), gpus=(), log=folder / "weak.log", what="weak")
threading.Thread(target=server.start, args=(threading.Event(),)).start()  # a thread that ends, as in a run
while not server.is_alive() or "version" not in server.last_lines():
    time.sleep(0.02)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_the_driver(tmp_path: Path, events: Path, number: signal.Signals) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE)
    assert driver.stdout is not None
    assert driver.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 10
    while not seen(events, "child") and time.monotonic() < deadline:
        time.sleep(0.02)
    pids = [seen(events, "started")[0]["pid"], seen(events, "child")[0]["child"]]
    assert all(map(lives, pids))
    os.kill(driver.pid, number)
    driver.wait(10)
    driver.stdout.close()
    assert gone_within(5, *pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_its_watcher(tmp_path: Path, events: Path, number: signal.Signals) -> None:
    server = server_of(tmp_path, scripted(events))
    server.start(NEVER)
    (started,) = seen(events, "started")
    os.kill(started["parent"], number)  # such as a batch system sends to every process
    assert gone_within(5, started["pid"], started["parent"])
    assert not server.is_alive()
    server.stop()
