"""The ledger at 10,000 and at 1,000,000 replies: peak memory, and how long a resumed run takes to be ready.

python benchmarks/ledger.py [--rows 10000 1000000] [--folder FOLDER]

Writing and resuming are each done in a process of their own, whose peak memory is asked of the system. Resuming is
what a run does before it goes on: open the file, sum what each role has cost and count its replies. Replies are then
looked up one by one as the run comes to them; the script also measures how fast.
"""

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cowest.concurrency import map_in_flight
from cowest.ledger import Ledger
from cowest.types import ChatRequest, Completion, Message, Usage

NUM_IN_FLIGHT = 256
NUM_LOOKUPS = 20_000
ROLES = ("weak", "strong", "judge")
PROMPT = "Which of the towns would be an island if the bridge had not been built? " * 12  # about 900 characters
REPLY = "Explanation: the only dry way to it was that bridge. " * 12  # about 600 characters


def request(index: int) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=f"{index} {PROMPT}"),))


def key(index: int) -> str:
    return Ledger.key(ROLES[index % 3], "openai/m", "endpoint", request(index))


def write(path: Path, num_rows: int) -> dict[str, float]:
    async def one(index: int) -> None:
        asked, name = request(index), key(index)
        await ledger.intend(name, ROLES[index % 3], "openai/m", asked)
        usage = Usage(prompt_tokens=250, completion_tokens=150)
        await ledger.settle(name, Completion(text=REPLY, finish_reason="stop", usage=usage, cost_usd=0.001))

    started = time.perf_counter()
    with Ledger(path, "run") as ledger:
        for start in range(0, num_rows, 10_000):  # in parts, since the list of results is not the ledger's
            asyncio.run(map_in_flight(one, range(start, min(start + 10_000, num_rows)), NUM_IN_FLIGHT))
    return {"rows_per_s": num_rows / (time.perf_counter() - started)}


def resume(path: Path, num_rows: int) -> dict[str, float]:
    started = time.perf_counter()
    with Ledger(path, "run") as ledger:
        spent = sum(ledger.spend_usd(role) for role in ROLES)
        known = [ledger.is_spend_known(role) for role in ROLES]
        counts = ledger.counts()
        ready_s = time.perf_counter() - started
        assert all(known)
        assert sum(counts.values()) == num_rows
        assert abs(spent - 0.001 * num_rows) < 1e-6 * num_rows
        keys = [key(random.Random(i).randrange(num_rows)) for i in range(min(NUM_LOOKUPS, num_rows))]
        started = time.perf_counter()
        assert all(ledger.lookup(name) is not None for name in keys)
        lookups_per_s = len(keys) / (time.perf_counter() - started)
    return {"ready_s": ready_s, "lookups_per_s": lookups_per_s}


def in_a_process(what: str, path: Path, num_rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--worker", what, str(path), str(num_rows)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--folder")
    parser.add_argument("--worker", nargs=3)
    options = parser.parse_args()
    if options.worker:
        what, path, num_rows = options.worker
        found = {"write": write, "resume": resume}[what](Path(path), int(num_rows))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found | {"peak_mb": peak_mb}))
        return
    print("| replies | file | kept a second | peak memory | ready to resume | peak memory then | lookups a second |")
    print("|---|---|---|---|---|---|---|")
    peaks: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for num_rows in options.rows:
            path = Path(folder, f"{num_rows}.sqlite")
            written, resumed = in_a_process("write", path, num_rows), in_a_process("resume", path, num_rows)
            peaks.append((written["peak_mb"], resumed["peak_mb"]))
            ratios = [f" ({peak / first:.2f})" for peak, first in zip(peaks[-1], peaks[0], strict=True)]
            print(
                f"| {num_rows:,} | {path.stat().st_size / 1e6:,.0f} MB | {written['rows_per_s']:,.0f} "
                f"| {written['peak_mb']:.0f} MB{ratios[0]} | {resumed['ready_s']:.2f} s "
                f"| {resumed['peak_mb']:.0f} MB{ratios[1]} | {resumed['lookups_per_s']:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
