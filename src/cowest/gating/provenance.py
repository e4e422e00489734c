"""Which rows a gate was made of, and whether the gate that is there was made of others."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cowest import runs
from cowest.errors import CowestError
from cowest.fingerprints import digest_of
from cowest.types import Example


def rows_of(validation: Sequence[Example], test: Sequence[Example]) -> dict[str, Any]:
    """Number and digest of the rows by split, as gate.json keeps them."""
    splits = {"validation": validation, "test": test}
    return {name: {"num_examples": len(rows), "sha256": digest_of(rows)} for name, rows in splits.items()}


def report_changes(path: Path, now: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Says of which splits a gate.json was made from other rows; one that cannot be read, or does not tell, is passed.

    Args:
        now: see `rows_of`.
    """
    try:
        before = runs.read_json(path)["made_of"] if path.is_file() else now
        changed = [name for name, rows in now.items() if before[name] != rows]
    except (CowestError, KeyError, TypeError):
        return
    for name in changed:
        say(f"gate: the {name} rows are not those that the gate of before was made of; it is made again from these")
