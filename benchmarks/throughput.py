"""Calls a second on a server that answers at once: the whole chain with the durable ledger beside the bare `openai`.

python benchmarks/throughput.py [--calls 6000] [--repeats 5]
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from pacing import bare, ours, server


async def measure(client: Any, url: str, num_calls: int, num_in_flight: int = 64) -> tuple[float, float]:
    """Calls a second, and milliseconds of this process's CPU time a call."""
    waiting = iter(range(num_calls))

    async def worker(call: Any) -> None:
        for n in waiting:
            await call(n)

    async with client(url, num_in_flight) as call:
        await asyncio.gather(*(call(-n - 1) for n in range(num_in_flight)))  # connections are opened here
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker(call) for _ in range(num_in_flight)))
        return num_calls / (time.perf_counter() - started), 1000 * (time.process_time() - cpu) / num_calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "k")
    with server() as url, tempfile.TemporaryDirectory() as folder:
        found: dict[str, list[tuple[float, float]]] = {
            "bare `openai` with aiohttp": [],
            "cowest": [],
            "cowest with the ledger": [],
        }
        for repeat in range(given.repeats):
            clients = {
                "bare `openai` with aiohttp": bare,
                "cowest": ours,
                "cowest with the ledger": lambda u, n, r=repeat: ours(u, n, Path(folder) / f"{r}.sqlite"),
            }
            for name, client in clients.items():
                found[name].append(asyncio.run(measure(client, url, given.calls)))
    base = found["bare `openai` with aiohttp"]
    print("| client | calls/s, median | over the bare client, same round | CPU ms a call, median | bare over it |")
    print("|---|---|---|---|---|")
    for name, rounds in found.items():
        faster = [ours[0] / bare[0] for ours, bare in zip(rounds, base, strict=True)]
        cheaper = [bare[1] / ours[1] for ours, bare in zip(rounds, base, strict=True)]
        calls_per_s, cpu_ms = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"| {name} | {calls_per_s:.0f} | {_span(faster)} | {cpu_ms:.2f} | {_span(cheaper)} |")


def _span(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
