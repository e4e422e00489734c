"""`python -m cowest.handbook --to FOLDER [--products N] [--seed N]`: writes a handbook and questions about it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cowest.errors import CowestError
from cowest.handbook.pages import pages
from cowest.handbook.shop import MAX_PRODUCTS, make_shop
from cowest.handbook.splits import rows
from cowest.runs.files import write_jsonl


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cowest.handbook", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("data/handbook"), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--products", type=int, default=60, metavar="N", help="with five facts each; default: 60")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="equal seeds give equal files; default: 0")
    given = parser.parse_args(arguments)
    if not 2 <= given.products <= MAX_PRODUCTS:
        parser.error(f"--products is a number from 2 to {MAX_PRODUCTS}, not {given.products}")
    shop = make_shop(given.products, given.seed)
    files = {**rows(shop, given.seed), "pages": list(pages(shop))}
    try:
        given.to.mkdir(parents=True, exist_ok=True)
        for name, its_rows in files.items():
            write_jsonl(given.to / f"{name}.jsonl", its_rows)
            print(f"{given.to / name}.jsonl: {len(its_rows):,} rows")
    except (CowestError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
