"""Compares two run folders: `python benchmarks/compare_runs.py BEFORE AFTER`.

Every JSON, JSONL and YAML file is compared value by value, adapters byte by byte, and the ledgers by the keys and texts
of their replies. What depends on the clock (times, latencies) and on the installation (versions) is left out. Exits
with 1 where anything else differs. For changes of the code that must not change what a run writes.
"""

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

CLOCK = {"wall_s", "latency_s", "seconds"}
INSTALLATION = {"version", "versions", "cowest_version"}
DOCUMENTS = {".json", ".jsonl", ".yaml"}
MAX_SHOWN = 20


def main() -> int:
    """Prints each difference; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    found = list(differences(options.before, options.after))
    for line in found[:MAX_SHOWN]:
        print(line)
    num_files = len(files(options.before))
    print(f"{num_files} files compared, {len(found)} differences")
    return 1 if found else 0


def files(run: Path) -> list[Path]:
    """The files that are compared, relative to the run's folder."""
    kinds = {*DOCUMENTS, ".safetensors"}
    return sorted(path.relative_to(run) for path in run.rglob("*") if path.suffix in kinds and path.is_file())


def differences(before: Path, after: Path) -> Iterator[str]:
    """One line for each difference."""
    names = [files(before), files(after)]
    for name in sorted({*names[0]} ^ {*names[1]}):
        yield f"{name}: only {'before' if name in names[0] else 'after'}"
    for name in sorted({*names[0]} & {*names[1]}):
        first, second = before / name, after / name
        if name.suffix in DOCUMENTS:
            yield from unlike(str(name), read(first), read(second))
        elif first.read_bytes() != second.read_bytes():
            yield f"{name}: other bytes"
    yield from unlike("ledger.sqlite", replies(before), replies(after))


def read(path: Path) -> Any:
    """What a file holds."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)


def replies(run: Path) -> dict[str, str]:
    """The replies of a run's ledger by key."""
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        return dict(connection.execute("SELECT key, response FROM calls WHERE response IS NOT NULL"))


def unlike(place: str, before: Any, after: Any) -> Iterator[str]:
    """The places where two values differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after} - CLOCK - INSTALLATION, key=str):
            if key not in before or key not in after:
                yield f"{place}.{key}: only {'before' if key in before else 'after'}"
            else:
                yield from unlike(f"{place}.{key}", before[key], after[key])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from unlike(f"{place}[{index}]", *pair)
    elif before != after:
        yield f"{place}: {str(before)[:80]!r}, now {str(after)[:80]!r}"


if __name__ == "__main__":
    sys.exit(main())
