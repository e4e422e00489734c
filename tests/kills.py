"""A stage in a process that is killed again and again, against an endpoint in another that counts what was paid."""

import asyncio
import json
import multiprocessing
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import scipy.stats  # noqa: F401  (the fork server imports it once for all)

from cowest import progress
from cowest.ledger import Ledger
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.explanations import explain
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest
from tests.worlds import Sums, chance, gamble, sums

NUM_IN_FLIGHT = 8
SAMPLES = 5
COMPARED = ("pairs.jsonl", "graded.jsonl", "failures.jsonl", "null_control.jsonl")
PATIENCE_S = 60

Work = Callable[[int, Path, int], None]
"""What the process does: from the endpoint's port, a folder and a number of examples."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.kills"])


def reply(role: str, request: ChatRequest) -> str:
    if role == "judge":
        return str(1 + int(10 * chance("judge", request.messages[0].content)))
    return gamble(role, 0.5, request)


class Endpoint:
    """Answers requests over loopback, each after a moment, and counts them by ledger key."""

    def __init__(self) -> None:
        self.num_paid: Counter[str] = Counter()
        self.num_busy = 0
        self.port = 0
        self._random = random.Random(0)
        self.loop = asyncio.new_event_loop()

    async def open(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_busy += 1
        try:
            asked = json.loads(await reader.readline() or "null")
            if asked is None:  # killed before it was sent
                return
            request = ChatRequest.model_validate(asked["request"])
            role = "judge" if "<<<REFERENCE" in request.messages[0].content else asked["model"]
            self.num_paid[Ledger.key(role, f"scripted/{asked['model']}", asked["model"], request)] += 1
            await asyncio.sleep(self._random.uniform(0.0, 0.004))
            writer.write(json.dumps(reply(role, request)).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):  # killed in the middle of a line
            pass
        finally:
            self.num_busy -= 1
            writer.close()


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """An endpoint in a thread of its own."""
    serving = Endpoint()
    serving.loop.run_until_complete(serving.open())
    thread = threading.Thread(target=serving.loop.run_forever, daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        serving.loop.call_soon_threadsafe(serving.loop.stop)
        thread.join()


async def _ask(port: int, model: str, request: ChatRequest) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(json.dumps({"model": model, "request": request.model_dump(mode="json")}).encode() + b"\n")
    text: str = json.loads(await reader.readline())
    writer.close()
    return text


def gather(port: int, out: Path, num_examples: int) -> None:
    """What the process that is killed does."""
    weak, strong = (ScriptedModel(partial(_ask, port, name), name=f"scripted/{name}", identity=name)
                    for name in ("weak", "strong"))  # fmt: skip
    with progress.quietly():
        feedback(
            sums(num_examples), weak=weak, strong=strong, out=out, samples=SAMPLES, null_control=num_examples // 3,
            num_in_flight=NUM_IN_FLIGHT,
        )  # fmt: skip


def explain_sums(port: int, out: Path, num_examples: int) -> None:
    """The same with explanations before SFT."""
    strong = ScriptedModel(partial(_ask, port, "strong"), name="scripted/strong", identity="strong")
    with progress.quietly():
        explain(sums(num_examples), strong=strong, out=out, task=Sums(), num_in_flight=NUM_IN_FLIGHT)


@dataclass
class Deaths:
    """What the kills of one run cost: how many calls were open at them, and how many were paid again."""

    num_kills: int = 0
    open_at_kills: Counter[str] = field(default_factory=Counter)
    largest_open: int = 0


def kill_until_done(
    serving: Endpoint, out: Path, num_examples: int, calls_a_life: int, seed: object, work: Work = gather
) -> Deaths:
    """Starts the work, kills it after a random number of calls and a random moment, and again, until it is done."""
    moments = random.Random(repr(seed))
    deaths = Deaths()
    while True:
        process = _PROCESSES.Process(target=work, args=(serving.port, out, num_examples))
        last_call = serving.num_paid.total() + moments.randint(1, calls_a_life)
        process.start()
        deadline = time.monotonic() + PATIENCE_S
        while process.exitcode is None and serving.num_paid.total() < last_call:
            assert time.monotonic() < deadline, "the process makes no call"
            time.sleep(0.0005)
        time.sleep(moments.uniform(0.0, 0.006))
        process.kill()
        process.join()
        while serving.num_busy:
            time.sleep(0.0005)
        if process.exitcode == 0:
            return deaths
        assert process.exitcode == -9
        still_open = open_calls(out / "ledger.sqlite")
        deaths.num_kills += 1
        deaths.open_at_kills.update(still_open)
        deaths.largest_open = max(deaths.largest_open, len(still_open))


def open_calls(ledger: Path) -> list[str]:
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
            return [key for (key,) in connection.execute("SELECT key FROM calls WHERE response IS NULL")]
    except sqlite3.OperationalError:  # killed before the file was there
        return []
