"""Shared by the verbs that print JSON for machines: the flag, and the printing."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --json: stdout then holds one JSON document and nothing else."""
    parser.add_argument("--json", action="store_true", help="for machines: one JSON document on stdout")


def print_json(document: "BaseModel") -> None:
    """Prints a document as its file holds it."""
    from cowest import runs
    from cowest.characters import with_half_pairs_escaped

    print(with_half_pairs_escaped(runs.to_json(document, indent=2, by_alias=True)))
