"""An unknown limit of 50 calls a second with 300 ms of latency and 5% faults: this package beside the bare `openai`.

python benchmarks/pacing.py [--calls 3500] [--quick]
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT = 50.0
FAULTS = {"server_error": 0.02, "unavailable": 0.01, "reset": 0.01, "malformed": 0.01}
ROOT = Path(__file__).parent.parent
RETRY_AFTER = ["--retry-after", "seconds"]
SERVERS = {
    "bucket of 1 s": [],
    "bucket of 1 s, `Retry-After: 1`": RETRY_AFTER,
    "bucket of 1 s, refuses after 300 ms": ["--slow-refusals"],
    "bucket of 1 s, refuses after 300 ms, `Retry-After: 1`": ["--slow-refusals", *RETRY_AFTER],
    "bucket of 0.1 s, `Retry-After: 1`": ["--burst", "0.1", *RETRY_AFTER],
    "fixed windows of 1 s": ["--limiter", "fixed"],
    "fixed windows of 1 s, `Retry-After: 1`": ["--limiter", "fixed", *RETRY_AFTER],
    "sliding window of 1 s, `Retry-After: 1`": ["--limiter", "window", *RETRY_AFTER],
}
Call = Callable[[int], Awaitable[Any]]


@contextlib.contextmanager
def server(*arguments: str, module: str = "tests.endpoint", seen: str = "/counts") -> Iterator[str]:
    """An endpoint in a process of its own, once it answers at the path `seen`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", module, "--port", str(port), *arguments], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}{seen}"):
                break
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def counts(url: str, seen: str = "/counts") -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}{seen}") as response:
        found: dict[str, Any] = json.load(response)
    return found


@contextlib.asynccontextmanager
async def ours(url: str, num_in_flight: int, ledger_file: Path | None = None) -> AsyncIterator[Call]:
    from cowest.ledger import Ledger
    from cowest.models import ModelConfig, load_model
    from cowest.types import ChatRequest, Message

    config = ModelConfig(model="openai/m", base_url=f"{url}/v1", max_concurrency=num_in_flight)
    ledger = None if ledger_file is None else Ledger(ledger_file)
    model = load_model(config, role="strong", ledger=ledger)
    yield lambda n: model.complete(ChatRequest(messages=(Message(role="user", content=f"question {n}"),)))
    await model.close()
    if ledger is not None:
        ledger.close()


@contextlib.asynccontextmanager
async def bare(url: str, num_in_flight: int, max_retries: int = 2) -> AsyncIterator[Call]:
    from openai import AsyncOpenAI, DefaultAioHttpClient

    client = AsyncOpenAI(
        api_key="k", base_url=f"{url}/v1", max_retries=max_retries, http_client=DefaultAioHttpClient(trust_env=False)
    )
    yield lambda n: client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": f"question {n}"}], temperature=1.0
    )
    await client.close()


@contextlib.asynccontextmanager
async def bare_patient(url: str, num_in_flight: int) -> AsyncIterator[Call]:
    async with bare(url, num_in_flight, max_retries=10) as call:
        yield call


async def measure(client: Any, url: str, num_calls: int, num_in_flight: int = 64) -> list[float | None]:
    """When each call was answered, in seconds since the start; None for one that was not."""
    waiting = iter(range(num_calls))
    answered: list[float | None] = []
    started = time.monotonic()

    async def worker(call: Call) -> None:
        for n in waiting:
            try:
                await call(n)
                answered.append(time.monotonic() - started)
            except Exception:
                answered.append(None)

    async with client(url, num_in_flight) as call:
        await asyncio.gather(*(worker(call) for _ in range(num_in_flight)))
    return answered


def row(server_name: str, name: str, answered: list[float | None], seen: dict[str, Any]) -> str:
    times = sorted(when for when in answered if when is not None)
    half = times[-1] / 2
    whole = len(times) / times[-1] / LIMIT
    second = sum(when > half for when in times) / half / LIMIT
    refused = seen["refused"] / max(1, len(times))
    lost = len(answered) - len(times)
    return f"| {server_name} | {name} | {whole:.3f} | {second:.3f} | {refused:.3f} | {lost} of {len(answered)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=3500)
    parser.add_argument("--quick", action="store_true", help="the first server only, 3000 calls")
    given = parser.parse_args()
    num_calls = 3000 if given.quick else given.calls
    os.environ.setdefault("OPENAI_API_KEY", "k")
    from openai.types import chat  # noqa: F401 - loading it takes a second that is no client's fault

    print("| server | client | successes/s over the limit | second half only | 429s a success | lost |")
    print("|---|---|---|---|---|---|")
    for server_name, arguments in list(SERVERS.items())[: 1 if given.quick else None]:
        clients: dict[str, Any] = {"cowest": ours}
        if arguments in ([], RETRY_AFTER):
            clients |= {"`openai`, 2 retries (its default)": bare, "`openai`, 10 retries": bare_patient}
        for name, client in clients.items():
            faults = [part for fault, share in FAULTS.items() for part in ("--fault", f"{fault}={share}")]
            common = ["--latency", "0.3", "--requests-per-s", str(LIMIT), *faults]
            with server(*common, *arguments) as url:
                answered = asyncio.run(measure(client, url, num_calls))
                print(row(server_name, name, answered, counts(url)), flush=True)


if __name__ == "__main__":
    main()
