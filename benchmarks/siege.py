"""What hostile clients and a hostile endpoint do to `cowest serve`: how late /healthz answers, and how much memory.

python benchmarks/siege.py [requests] [connections] [replies]

Everything runs on this machine in processes of its own: a scripted upstream, the server, one that asks /healthz every
few milliseconds over a new connection each time, and the attacker here. "idle" is the same without an attack.
"""

import argparse
import asyncio
import contextlib
import gzip
import http.client
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from serving import _is_up, free_port, show

Json = dict[str, Any]
SILENT = 1000
MIB = 2**20
ATTACK_S = 4.0


def question(text: str, **more: Any) -> Json:
    return {"model": "pair", "messages": [{"role": "user", "content": text}], **more}


def turns(number: int, text: str = "a") -> list[Json]:
    return [{"role": ("user", "assistant")[index % 2], "content": text} for index in range(number)]


def long_conversation(number: int, size: int, **more: Any) -> Json:
    each = "word " * (size // number // 5)
    return {"model": "pair", "messages": [*turns(number - 1, each), {"role": "user", "content": each}], **more}


REQUESTS: dict[str, Callable[[], bytes]] = {
    "100,000 messages": lambda: dump(long_conversation(100_000, 500_000)),
    "100,000 messages, n 128": lambda: dump(long_conversation(100_000, 500_000, model="pair:weak", n=128)),
    "1,000 messages, 1,000,000 characters": lambda: dump(long_conversation(1000, 990_000)),
    "the same, n 16, of the weak model": lambda: dump(long_conversation(1000, 990_000, model="pair:weak", n=16)),
    "one message of 1,000,000 characters": lambda: dump(question("word " * 199_000)),
    "one of 4 MB": lambda: dump(question("word " * 800_000)),
    "1,000,000 escaped characters": lambda: dump(question("x")).replace(b'"x"', b'"' + rb"\u00e9" * 600_000 + b'"'),
    "an image of 4 MB": lambda: dump(question("?") | {"messages": [image(3 * MIB)]}),
    "45,000 numbers in logit_bias": lambda: dump(question("?", logit_bias={str(n): 1 for n in range(45_000)})),
    "45,000 values in tools": lambda: dump(
        question("?", tools=[{"type": "function", "function": {"enum": [0] * 45_000}}])
    ),
    "2,000,000 empty lists": lambda: dump(question("?")).replace(
        b"]}", b'], "tools": [' + b"[]," * 1_300_000 + b"[]]}"
    ),
    "lists in lists": lambda: b"[" * 4_000_000,
}
"""The largest that the limits allow, and what they refuse, each by one request at a time."""


def image(size: int) -> Json:
    url = {"url": "data:image/png;base64," + "QUJD" * (size // 4)}
    return {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": url}]}


def dump(body: Json) -> bytes:
    return json.dumps(body).encode()


def whole(text: str = "Answer: 42", **choice: Any) -> Json:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 50, "completion_tokens": 8, "total_tokens": 58}
    choices = [{"index": 0, "message": message, "finish_reason": "stop", **choice}]
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}


def many_tokens(number: int) -> Json:
    each = {"token": "so", "logprob": -0.5, "bytes": [115, 111]}
    return whole(logprobs={"content": [{**each, "top_logprobs": [each] * 20} for _ in range(number)]})


async def upstream(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    kind = str(body["messages"][-1]["content"])
    streamed = body.get("stream")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream" if streamed else "application/json"})
    if "GZIP" in kind:
        response.headers["Content-Encoding"] = "gzip"
        await response.prepare(request)
        await response.write(BOMB)
        return response
    if "BODY" in kind or "LINE" in kind:
        await response.prepare(request)
        await response.write(b'data: {"a": "' if streamed else b'{"a": "')
        for _ in range(700):
            await response.write(b"x" * MIB)
        await response.write(b'"}\n\n')
        return response
    if "EVENTS" in kind:
        await response.prepare(request)
        for _ in range(700):
            await response.write(EVENT * (MIB // len(EVENT)))
        return response
    if "TOKENS" in kind:
        return web.Response(body=TOKENS, content_type="application/json")
    if "STRUCTURE" in kind:
        return web.Response(body=b'{"choices": [' + b"[]," * 3_000_000 + b"[]]}", content_type="application/json")
    return web.json_response(whole())


BOMB, TOKENS, EVENT = b"", b"", b""


def serve_upstream(port: int) -> None:
    global BOMB, TOKENS, EVENT
    BOMB = gzip.compress(b'{"a": "' + b"x" * (1500 * MIB) + b'"}', 1) if "replies" in sys.argv else b""
    TOKENS = dump(many_tokens(4000))
    EVENT = b"data: " + dump({"choices": [{"index": 0, "delta": {"content": "so " * 300}}]}) + b"\n\n"
    app = web.Application(client_max_size=2**28)
    app.router.add_post("/v1/chat/completions", upstream)
    app.router.add_get("/healthz", lambda request: web.json_response({}))
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, handler_cancellation=True)


def watch(port: int) -> None:
    """Asks /healthz again and again until its standard input ends; prints what it saw as JSON."""
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    times, failures = [], 0
    while not done.is_set():
        started = time.perf_counter()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
            if not times:
                print("ready", flush=True)
            times.append(time.perf_counter() - started)
        except (OSError, http.client.HTTPException, AssertionError):
            failures += 1
        time.sleep(0.002)
    print(json.dumps({"times": times, "failures": failures}), flush=True)


@contextlib.contextmanager
def watched(port: int, seen: Json) -> Iterator[None]:
    watcher = subprocess.Popen(
        [sys.executable, __file__, "watch", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert watcher.stdout is not None
    assert watcher.stdout.readline() == "ready\n"
    try:
        yield
    finally:
        time.sleep(0.3)
        out, _ = watcher.communicate("", timeout=300)
        seen |= json.loads(out)


class Server:
    """`cowest serve` under attack."""

    def __init__(self, folder: Path, base_url: str, *, files: int | None = None) -> None:
        self.log = folder / "log.txt"
        self.port = free_port()
        data = {
            "run": str(folder / "pair"),
            "task": {"name": "jsonl"},
            "weak": {"model": "openai/weak", "base_url": base_url},
            "strong": {"model": "openai/strong", "base_url": base_url, "api_key_env": "SIEGE_KEY"},
        }
        path = folder / "recipe.yaml"
        path.write_text(yaml.safe_dump(data))

        def limit() -> None:
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        self._started = subprocess.Popen(
            [sys.executable, "-m", "cowest", "serve", str(path), "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=self.log.open("wb"),
            env=os.environ | {"SIEGE_KEY": "sk-siege-0123456789"},
            preexec_fn=limit,  # noqa: PLW1509
        )
        asyncio.run(_is_up(f"http://127.0.0.1:{self.port}/healthz", self._started))

    def post(self, body: bytes) -> str:
        """What becomes of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()
        code = ""
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            found = json.loads(raw.strip().rpartition(b"data: ")[2])
            code = str((found.get("error") or {}).get("code") or "")
        return f"{response.status} {code}".strip()

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self._started.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self._started.pid}/clear_refs").write_text("5")

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self._started.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def is_alive(self) -> bool:
        return self._started.poll() is None

    def stop(self) -> None:
        self._started.terminate()
        try:
            self._started.wait(40)
        except subprocess.TimeoutExpired:
            self._started.kill()


def row(name: str, outcome: str, seen: Json, server: Server) -> list[str]:
    times = sorted(seen["times"]) or [float("nan")]
    alive = server.is_alive()
    return [
        name,
        outcome if alive else "the server is dead",
        f"{1000 * statistics.median(times):.1f}",
        f"{1000 * times[-1]:.0f}",
        str(seen["failures"]),
        f"{server.peak_mib():.0f}" if alive else "-",
    ]


HEAD = ["attack", "outcome", "/healthz p50 ms", "worst ms", "unanswered", "peak MiB"]


def requests(server: Server) -> list[list[str]]:
    rows = []
    for name, body in {"idle": None, **REQUESTS}.items():
        seen: Json = {}
        data = None if body is None else body()
        server.forget_peak()
        outcome = ""
        with watched(server.port, seen):
            until = time.monotonic() + ATTACK_S
            while time.monotonic() < until:
                if data is not None:
                    outcome = server.post(data)
                else:
                    time.sleep(0.1)
        rows.append(row(name, outcome, seen, server))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def replies(server: Server) -> list[list[str]]:
    rows = []
    for kind in ("BODY", "GZIP", "LINE", "EVENTS", "TOKENS", "STRUCTURE"):
        seen: Json = {}
        server.forget_peak()
        body = question(kind, model="pair:strong", stream=kind in ("LINE", "EVENTS"))
        with watched(server.port, seen):
            outcome = server.post(dump(body))
        rows.append(row(REPLIES[kind], outcome, seen, server))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


REPLIES = {
    "BODY": "a body of 700 MB",
    "GZIP": "6 MB of gzip that unpack to 1.5 GB",
    "LINE": "a stream with one line of 700 MB",
    "EVENTS": "a stream of 700 MB without an end",
    "TOKENS": "4,000 tokens with 20 alternatives each (6 MB)",
    "STRUCTURE": "3,000,000 empty lists",
}


def connections(folder: Path, base_url: str) -> list[list[str]]:
    """Silent connections on a server that may have as many files open; each opened at once and held."""
    rows = []
    for name, data in (
        (f"{SILENT:,} silent connections", b""),
        (f"{SILENT:,} that begin a request", b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"),
        (f"{10 * SILENT:,} of rubbish, one after another", b"\x00\x01rubbish\r\n\r\n"),
    ):
        server = Server(folder, base_url, files=SILENT)
        seen: Json = {}
        held: list[socket.socket] = []
        with watched(server.port, seen):
            for _ in range(10 * SILENT if "rubbish" in name else SILENT):
                made = socket.socket()
                made.settimeout(1)
                try:
                    made.connect(("127.0.0.1", server.port))
                    made.sendall(data)
                except OSError:
                    made.close()
                else:
                    held.append(made)
                if "rubbish" in name:
                    made.close()
            time.sleep(15 if "rubbish" not in name else 1)
        for made in held:
            made.close()
        lines = server.log.read_bytes().count(b"\n")
        rows.append([*row(name, server.post(dump(question("?"))), seen, server), f"{lines:,}"])
        print(rows[-1], file=sys.stderr, flush=True)
        server.stop()
    return rows


@contextlib.contextmanager
def started(line: list[str], url: str) -> Iterator[None]:
    process = subprocess.Popen(line)
    try:
        asyncio.run(_is_up(url, process))
        yield
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=["requests", "connections", "replies"])
    parser.add_argument("--without", default="-", help="leaves out requests whose name contains this")
    options = parser.parse_args()
    for name in [name for name in REQUESTS if options.without in name]:
        del REQUESTS[name]
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        started([sys.executable, __file__, "upstream", str(port), *options.kinds], f"http://127.0.0.1:{port}/healthz"),
    ):
        base_url = f"http://127.0.0.1:{port}/v1"
        if "connections" in options.kinds:
            show(
                f"Connections; the server may open {SILENT:,} files",
                [[*HEAD, "lines of log"], *connections(Path(name), base_url)],
            )
        for kind, attack in {"requests": requests, "replies": replies}.items():
            if kind in options.kinds:
                server = Server(Path(name), base_url)
                try:
                    show(kind.capitalize(), [HEAD, *attack(server)])
                finally:
                    server.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["upstream"]:
        serve_upstream(int(sys.argv[2]))
    elif sys.argv[1:2] == ["watch"]:
        watch(int(sys.argv[2]))
    else:
        main()
