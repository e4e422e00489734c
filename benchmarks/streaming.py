"""Memory and time of reading a user's own file: 1,000,000 invented rows beside 10,000, each in a process of its own.

python benchmarks/streaming.py [NUM_ROWS]
"""

import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cowest.tasks.jsonl import Jsonl

FEW = 10_000
FORMATS = (".jsonl.gz", ".json.gz", ".csv", ".parquet", ".parquet.gz")
BATCH = 10_000
WORDS = ("river", "stone", "window", "seven", "after", "quiet", "signal", "garden", "letter", "copper")


def rows(number: int) -> Iterator[dict[str, str]]:
    """Invented rows of about 500 characters."""
    dice = random.Random(0)
    for n in range(number):
        text = " ".join(dice.choices(WORDS, k=64))
        yield {"id": f"row-{n * 7919 % 1_000_003}", "question": f"{text} {n}?", "context": text[:40], "answer": str(n)}


def write(path: Path, number: int) -> None:
    if ".parquet" in path.name:
        plain = path.with_name(path.name.removesuffix(".gz"))
        if not plain.exists():
            _write_parquet(plain, number)
        if plain != path:
            _compress(plain, path)
        return
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w", newline="") as file:
        _write_text(file, path.name, number)


def _write_text(file: IO[str], name: str, number: int) -> None:
    if ".csv" in name:
        import csv

        writer = csv.DictWriter(file, ["id", "question", "context", "answer"])
        writer.writeheader()
        writer.writerows(rows(number))
        return
    before, between, after = ("", "\n", "\n") if ".jsonl" in name else ("[", ",\n", "]")
    for index, row in enumerate(rows(number)):
        file.write((between if index else before) + json.dumps(row))
    file.write(after)


def _write_parquet(path: Path, number: int) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, pyarrow.string()) for name in ("id", "question", "context", "answer")])
    made = rows(number)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        # All in row groups of 1,048,576 rows, as pandas and pyarrow write them by default.
        writer.write_table(pyarrow.Table.from_pylist(list(made), schema))


def _compress(plain: Path, path: Path) -> None:
    import shutil

    with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target)


def measure(what: str, location: str) -> None:
    """Prints seconds, and the peak of resident memory in MiB: called in a process of its own."""
    started = time.perf_counter()
    task = Jsonl(test=location, context="context", id="id")
    if what == "read":
        number = sum(1 for _ in task.read(location))
    else:
        split = task.split("test")
        number = sum(task.score(example, task.reference_answer(example))["exact_match"] for example in split)
        dice = random.Random(0)
        asked = [dice.randrange(len(split)) for _ in range(10_000)]
        assert all(split[index].references == (str(index),) for index in asked)
    seconds = time.perf_counter() - started
    print(json.dumps({"number": number, "seconds": seconds, "peak": peak_mib()}))


def peak_mib() -> float:
    """Peak resident memory. Not ru_maxrss: on Linux a process inherits that of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def in_a_process(what: str, path: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, what, str(path)], check=True, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main(many: int) -> None:
    print(f"| file | what | peak MiB, {FEW:,} rows | peak MiB, {many:,} rows | ratio | rows/s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in FORMATS:
            paths = {number: Path(folder) / f"{number}{suffix}" for number in (FEW, many)}
            for number, path in paths.items():
                write(path, number)
            for what in ("read", "split"):
                few, lots = (in_a_process(what, path) for path in paths.values())
                assert (few["number"], lots["number"]) == (FEW, many)
                print(
                    f"| `{suffix}` | {what} | {few['peak']:.0f} | {lots['peak']:.0f} | "
                    f"{lots['peak'] / few['peak']:.2f} | {many / lots['seconds']:,.0f} |",
                    flush=True,
                )
            if suffix != ".parquet":
                for path in paths.values():
                    path.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] in (["read"], ["split"]):
        measure(*sys.argv[1:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
