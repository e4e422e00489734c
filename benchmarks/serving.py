"""What `cowest serve` adds to the two calls it makes: time, time to first token, throughput.

python benchmarks/serving.py [--rounds 5] [--workers 1] [--litellm PATH/TO/litellm]

Everything runs on this machine in processes of its own: a scripted upstream (both models), the server, the clients
here. The same clients make the same two calls directly, in turns with those through the server, so that what the
machine does meanwhile befalls both. With --litellm they also make the two calls through a LiteLLM proxy.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

LATENCY_S = {"weak": 0.05, "strong": 0.1}
"""Until the first token; the strong model's streams go on for 20 tokens, 2 ms each."""
NUM_TOKENS, TOKEN_S = 20, 0.002
CLIENTS = (1, 16, 128)
QUESTION = "What is 20 plus 22, and how would you check it?"
Call = Callable[[aiohttp.ClientSession], Awaitable[float]]
"""Makes one exchange; returns the seconds until its first token."""


async def upstream(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    role = "weak" if "weak" in body["model"] else "strong"
    if "instant" not in body["model"]:
        await asyncio.sleep(LATENCY_S[role])
    about = {"id": "1", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        message = {"role": "assistant", "content": "Explanation: so it is. Answer: 42"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 50, "completion_tokens": 8, "total_tokens": 58}
        return web.json_response({**about, "object": "chat.completion", "choices": choices, "usage": usage})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(NUM_TOKENS + 1):
        last = number == NUM_TOKENS
        choice = {"index": 0, "delta": {} if last else {"content": "so "}, "finish_reason": "stop" if last else None}
        chunk = {**about, "object": "chat.completion.chunk", "choices": [choice]}
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await asyncio.sleep(TOKEN_S)
    await response.write(b"data: [DONE]\n\n")
    return response


def serve_upstream(port: int) -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", upstream)
    app.router.add_get("/healthz", lambda request: web.json_response({}))
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


async def post(session: aiohttp.ClientSession, url: str, model: str, text: str, stream: bool = False) -> float:
    """One call to its end; the seconds until its first token."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 1.0, "stream": stream}
    started = time.perf_counter()
    async with session.post(f"{url}/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()
        if not stream:
            reply = await response.json()
            assert reply["choices"][0]["finish_reason"] == "stop"
            return time.perf_counter() - started
        first, tail = 0.0, b""
        async for data in response.content.iter_any():
            first = first or time.perf_counter() - started
            tail = (tail + data)[-20:]
        assert b"[DONE]" in tail
        return first


def two_calls(url: str, stream: bool, prefix: str = "") -> Call:
    """Draft, then refine: what the server does, done by the client."""

    async def call(session: aiohttp.ClientSession) -> float:
        drafted = await post(session, url, f"{prefix}weak", QUESTION)
        return drafted + await post(session, url, f"{prefix}strong", QUESTION, stream)

    return call


def one_call(url: str, stream: bool) -> Call:
    async def call(session: aiohttp.ClientSession) -> float:
        return await post(session, url, "pair", QUESTION, stream)

    return call


async def latencies(calls: dict[str, Call], repetitions: int) -> dict[str, tuple[float, float]]:
    """Median seconds to the first token and to the end, one call at a time, in turns."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    async with sessions() as session:
        for number in range(repetitions + 5):
            for name, call in calls.items():
                started = time.perf_counter()
                first = await call(session)
                if number >= 5:
                    seen[name].append((first, time.perf_counter() - started))
    return {
        name: (statistics.median(first for first, _ in times), statistics.median(whole for _, whole in times))
        for name, times in seen.items()
    }


async def throughput(call: Call, num_clients: int, seconds: float) -> float:
    """Exchanges a second of so many clients, each with one exchange under way."""
    done = 0
    async with sessions() as session:
        deadline = time.perf_counter() + seconds

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < deadline:
                await call(session)
                done += 1

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(num_clients)))
        return done / (time.perf_counter() - started)


@contextlib.asynccontextmanager
async def sessions() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def process(line: list[str], url: str) -> Iterator[int]:
    """A process that answers at `url`; yields its id."""
    # LiteLLM would ask the network for prices, and for a key, which costs it time that is not compared here.
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    environment = os.environ | quiet
    started = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        asyncio.run(_is_up(url, started))
        yield started.pid
    finally:
        started.terminate()
        started.wait(30)


async def _is_up(url: str, started: subprocess.Popen[bytes]) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(1200):
            assert started.poll() is None, started.args
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)
    raise TimeoutError(url)


def recipe(folder: Path, base_url: str, prefix: str = "") -> Path:
    data: dict[str, Any] = {
        "run": str(folder / "pair"),
        "task": {"name": "jsonl"},
        "weak": {"model": f"openai/{prefix}weak", "base_url": base_url, "max_concurrency": 256},
        "strong": {"model": f"openai/{prefix}strong", "base_url": base_url, "max_concurrency": 256},
        "serve": {"max_concurrency": 512},
    }
    path = folder / f"{prefix}recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def litellm_config(folder: Path, base_url: str) -> Path:
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": base_url, "api_key": "none"}}
        for name in ("weak", "strong")
    ]
    path = folder / "litellm.yaml"
    path.write_text(yaml.safe_dump({"model_list": models}))
    return path


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(title: str, rows: list[list[str]]) -> None:
    head, *body = rows
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in body:
        print(f"| {' | '.join(row)} |", flush=True)


def measure(ways: dict[str, tuple[Call, Call]], rounds: int) -> None:
    """Prints latencies and throughput; of each way its whole and its streamed exchange."""
    (base, *_) = ways
    seen: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in ways}
    loads = []
    for _ in range(rounds):
        whole = asyncio.run(latencies({name: calls[0] for name, calls in ways.items()}, 40))
        streamed = asyncio.run(latencies({name: calls[1] for name, calls in ways.items()}, 40))
        loads.append(os.getloadavg()[0])
        for name in ways:
            whole_s, first_s = whole[name][1], streamed[name][0]
            seen[name].append((whole_s, whole_s - whole[base][1], first_s, first_s / streamed[base][0]))
    rows = [["way", "whole answer, p50 ms", "added ms", "first token, p50 ms", "ratio"]]
    for name, found in seen.items():
        whole_s, added_s, first_s, ratio = zip(*found, strict=True)
        rows.append(
            [
                name,
                f"{1000 * statistics.median(whole_s):.1f}",
                _median_and_range([1000 * value for value in added_s], "+.1f"),
                f"{1000 * statistics.median(first_s):.1f}",
                _median_and_range(ratio, ".3f"),
            ]
        )
    load = _median_and_range(loads, ".1f")
    show(
        f"One client, {rounds} rounds of 40 in turns, median (lowest to highest); load {load}",
        rows,
    )
    rows = [["clients", *(f"{name}, exchanges/s" for name in ways)]]
    for num_clients in CLIENTS:
        rates = [asyncio.run(throughput(calls[0], num_clients, 6)) for calls in ways.values()]
        rows.append(
            [str(num_clients), f"{rates[0]:.0f}", *(f"{rate:.0f} ({rate / rates[0]:.2f})" for rate in rates[1:])]
        )
    show("Throughput", rows)


def _median_and_range(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def measure_instant(base: str, served: str, pid: int) -> None:
    """Prints what is left of the latencies when the models take no time."""
    calls = {"two calls, direct": two_calls(base, False, "instant-"), "cowest serve": one_call(served, False)}
    before_s = processor_s(pid)
    found = asyncio.run(latencies(calls, 500))
    own_ms = 1000 * (processor_s(pid) - before_s) / 505
    direct_ms = 1000 * found["two calls, direct"][1]
    rows = [["way", "whole answer, p50 ms", "added ms"]]
    rows += [[name, f"{1000 * whole:.2f}", f"{1000 * whole - direct_ms:+.2f}"] for name, (_, whole) in found.items()]
    show(f"One client, models that take no time; the server's processor time {own_ms:.2f} ms an exchange", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="processes of the server")
    parser.add_argument("--litellm", help="the proxy's command, from an environment of its own")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, roots = Path(name), [f"http://127.0.0.1:{free_port()}" for _ in range(4)]
        ports = [root.rpartition(":")[2] for root in roots]
        stack.enter_context(process([sys.executable, __file__, "upstream", ports[0]], f"{roots[0]}/healthz"))
        base = f"{roots[0]}/v1"
        command = [sys.executable, "-m", "cowest", "serve"]
        line = [*command, str(recipe(folder, base)), "--port", ports[1], "--workers", str(options.workers)]
        stack.enter_context(process(line, f"{roots[1]}/healthz"))
        served = f"{roots[1]}/v1"
        ways = {
            "two calls, direct": (two_calls(base, False), two_calls(base, True)),
            "cowest serve": (one_call(served, False), one_call(served, True)),
        }
        if options.litellm:
            line = [
                options.litellm,
                "--config",
                str(litellm_config(folder, base)),
                "--host",
                "127.0.0.1",
                "--port",
                ports[2],
            ]
            stack.enter_context(process(line, f"{roots[2]}/health/liveliness"))
            proxied = f"{roots[2]}/v1"
            ways["two calls, LiteLLM proxy"] = (two_calls(proxied, False), two_calls(proxied, True))
        instant = recipe(folder, base, "instant-")
        pid = stack.enter_context(process([*command, str(instant), "--port", ports[3]], f"{roots[3]}/healthz"))
        measure(ways, options.rounds)
        measure_instant(base, f"{roots[3]}/v1", pid)


if __name__ == "__main__":
    if sys.argv[1:2] == ["upstream"]:
        serve_upstream(int(sys.argv[2]))
    else:
        main()
