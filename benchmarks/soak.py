"""Whether `cowest serve` stays as it was: memory, open files and tasks over many requests, and under faults.

python benchmarks/soak.py requests [--total 100000]
python benchmarks/soak.py faults [--minutes 10]

Everything runs on this machine in processes of its own: a scripted upstream (both models), the server, the clients
here. The server has one route more than `cowest serve`, which says how many files and asyncio tasks it holds.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import aiohttp
import yaml
from aiohttp import web
from tests.endpoint import FAULTS
from tests.endpoint.faults import error

from serving import QUESTION, free_port, post, process, recipe, resident_mib, sessions, show, upstream

NUM_CLIENTS = 24
FAULTY = 0.3
"""Share of calls to a model that fail, of the half of time in which any do."""
PERIOD_S = 20.0
"""Faults come and go: with and without in turns of half of this."""
LIMIT_S = 3.0
"""For the draft, for the strong model's first piece, and between its pieces."""
LATE_S = 30.0
"""A request that has no end by then counts as hung; the server's own limits make 9 s."""


def serve(path: str, port: int) -> None:
    """What `cowest serve` does, with a look inside."""
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from cowest import serving
    from cowest.pipeline import Pipeline
    from cowest.recipe import load_recipe

    pipeline = Pipeline(load_recipe(path, []))
    app = serving.make_app(pipeline.recipe, pipeline.collaboration(kept=False))

    async def inside(request: Request) -> JSONResponse:
        return JSONResponse({"tasks": len(asyncio.all_tasks()), "files": len(os.listdir("/proc/self/fd"))})

    app.router.routes.append(Route("/inside", inside))
    serving.serve(app, pipeline.recipe, host="127.0.0.1", port=port)


def serve_faulty_upstream(port: int) -> None:
    """The scripted models, of which every fault befalls some calls; streams are also cut, stalled and garbled."""
    dice, started = random.Random(0), time.monotonic()
    whole = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "so"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        is_quiet = (time.monotonic() - started) % PERIOD_S < PERIOD_S / 2
        if is_quiet or dice.random() > FAULTY:
            return await upstream(request)
        if (await request.json()).get("stream") and dice.random() < 0.7:
            return await _bad_stream(request, dice.choice(("cut", "ended", "malformed", "stalled", "error")))
        return await FAULTS[dice.choice(sorted(FAULTS))](request, whole, 60)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/healthz", lambda request: web.json_response({}))
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, handler_cancellation=True)


async def _bad_stream(request: web.Request, how: str) -> web.StreamResponse:
    if how == "error":
        return error(500, "Something broke.")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for _ in range(3):
        await response.write(b'data: {"choices": [{"index": 0, "delta": {"content": "so "}}]}\n\n')
    if how == "malformed":
        await response.write(b"data: {\n\n")
    elif how == "stalled":
        await asyncio.sleep(60)
    elif how == "cut":
        assert request.transport is not None
        request.transport.abort()
    return response


class Faults:
    """Clients of every kind, and what became of their requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.outcomes: Counter[str] = Counter()
        self.longest_s = 0.0

    async def client(self, seed: int, until: float) -> None:
        dice = random.Random(seed)
        async with sessions() as session:
            while time.monotonic() < until:
                started = time.monotonic()
                try:
                    async with asyncio.timeout(LATE_S):
                        outcome = await self._ask(session, dice)
                        self.outcomes[outcome] += 1
                        if outcome == "error 429":
                            await asyncio.sleep(dice.random())
                except TimeoutError:
                    self.outcomes["hung"] += 1
                self.longest_s = max(self.longest_s, time.monotonic() - started)

    async def _ask(self, session: aiohttp.ClientSession, dice: random.Random) -> str:
        kind = dice.choice(("whole", "whole", "whole", "stream", "stream", "stream", "leaves", "leaves", "rubbish"))
        body: Any = {
            "model": dice.choice(("pair", "pair", "pair:strong", "pair:weak")),
            "messages": [{"role": "user", "content": QUESTION}],
            "stream": kind != "whole",
        }
        if kind == "rubbish":
            body = dice.choice(({}, {"model": "nobody"}, {**body, "messages": 3}, {**body, "n": -1}, [body]))
        async with session.post(f"{self.url}/v1/chat/completions", json=body) as response:
            if kind == "leaves":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(dice.random() * 0.2):
                        await response.content.readany()
                response.close()
                return "left by the client"
            raw = await response.read()
        return _outcome(kind, response.status, raw)


def _outcome(kind: str, status: int, raw: bytes) -> str:
    """Of an answer that came to its end; an AssertionError where it is no honest one."""
    if kind == "rubbish":
        assert 400 <= status < 500, status
        return "rubbish, refused"
    if status != 200:
        assert json.loads(raw)["error"]["message"]
        return f"error {status}"
    if kind == "whole":
        assert json.loads(raw)["choices"][0]["finish_reason"]
        return "whole answer"
    last = raw.removesuffix(b"\n\n").rpartition(b"data: ")[2]
    if last == b"[DONE]":
        assert b'"finish_reason":"stop"' in raw or b'"finish_reason":"length"' in raw, raw
        return "whole stream"
    assert json.loads(last)["error"]["message"]
    return "stream that ended in an error"


async def look(url: str, pid: int) -> dict[str, str]:
    """What the server holds when nothing is asked of it."""
    async with sessions() as session:
        for _ in range(300):
            async with session.get(f"{url}/metrics") as response:
                text = await response.text()
            (in_flight,) = [
                float(line.split()[1]) for line in text.splitlines() if line.startswith("cowest_in_flight ")
            ]
            if in_flight == 0:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        async with session.get(f"{url}/inside") as response:
            inside = await response.json()
    return {
        "resident MiB": f"{resident_mib(pid):.1f}",
        "open files": str(inside["files"]),
        "tasks": str(inside["tasks"]),
        "in flight": f"{in_flight:.0f}",
    }


async def many_requests(url: str, pid: int, total: int) -> None:
    rows: list[dict[str, str]] = []
    started, done = time.monotonic(), 0
    for goal in (total // 100, total // 10, total // 4, total // 2, 3 * total // 4, total):

        async def client(share: int) -> None:
            async with sessions() as session:
                for index in range(share):
                    await post(session, f"{url}/v1", "pair", QUESTION, stream=index % 2 == 0)

        count = goal - done
        shares = [count // NUM_CLIENTS + (number < count % NUM_CLIENTS) for number in range(NUM_CLIENTS)]
        await asyncio.gather(*(client(share) for share in shares))
        done = goal
        rows.append(
            {"requests": f"{done:,}", **await look(url, pid), "minutes": f"{(time.monotonic() - started) / 60:.1f}"}
        )
        print(rows[-1], file=sys.stderr, flush=True)
    show(f"Requests, {NUM_CLIENTS} clients, half of the answers streamed", _table(rows))


async def faults(url: str, pid: int, minutes: float) -> None:
    rows = []
    load = Faults(url)
    for part in range(6):
        until = time.monotonic() + minutes * 10
        await asyncio.gather(*(load.client(100 * part + number, until) for number in range(NUM_CLIENTS)))
        row = {"requests": f"{load.outcomes.total():,}", **await look(url, pid)}
        rows.append({"minutes": f"{(part + 1) * minutes / 6:.1f}", **row, "hung": str(load.outcomes["hung"])})
        print(rows[-1], dict(load.outcomes), f"longest {load.longest_s:.1f} s", file=sys.stderr, flush=True)
    show(f"Faults, {NUM_CLIENTS} clients", _table(rows))
    show(
        "What became of the requests",
        [["outcome", "requests"], *sorted([n, f"{c:,}"] for n, c in load.outcomes.items())],
    )
    print(f"\nThe longest request took {load.longest_s:.1f} s.")


def _table(rows: list[dict[str, str]]) -> list[list[str]]:
    return [list(rows[0]), *(list(row.values()) for row in rows)]


@contextlib.contextmanager
def served(kind: str) -> Iterator[tuple[str, int]]:
    """The upstream and the server; yields the server's address and process id."""
    roots = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    ports = [root.rpartition(":")[2] for root in roots]
    with tempfile.TemporaryDirectory() as name:
        path = recipe(Path(name), f"{roots[0]}/v1", "instant-")
        if kind == "faults":
            path = recipe(Path(name), f"{roots[0]}/v1")
            data = yaml.safe_load(path.read_text())
            data["strong"]["timeout_s"] = data["weak"]["timeout_s"] = LIMIT_S
            # Fewer at once than there are clients, so that some are refused.
            data["serve"] = {"draft_deadline_s": LIMIT_S, "stall_s": LIMIT_S, "max_concurrency": NUM_CLIENTS - 4}
            path.write_text(yaml.safe_dump(data))
        with (
            process([sys.executable, __file__, f"upstream-{kind}", ports[0]], f"{roots[0]}/healthz"),
            process([sys.executable, __file__, "serve", str(path), ports[1]], f"{roots[1]}/healthz") as pid,
        ):
            yield roots[1], pid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=("requests", "faults"))
    parser.add_argument("--total", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with served(options.kind) as (url, pid):
        if options.kind == "requests":
            asyncio.run(many_requests(url, pid, options.total))
        else:
            asyncio.run(faults(url, pid, options.minutes))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "upstream-faults":
        serve_faulty_upstream(int(sys.argv[2]))
    elif sys.argv[1] == "upstream-requests":
        from serving import serve_upstream

        serve_upstream(int(sys.argv[2]))
    else:
        main()
