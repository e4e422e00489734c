"""`cowest audit RUN [--swaps [FILE]] [--limit N] [--json]`."""

import argparse
import sys
from collections.abc import Callable

from cowest.cli._json import add_json_argument, print_json
from cowest.cli._recipe import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the run's folder, the words to swap and --json."""
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its recipe")
    parser.add_argument(
        "--swaps",
        nargs="?",
        const=True,
        default=False,
        metavar="FILE",
        help="also ask queries with swapped words, which makes calls: a file with two words on each line, such as "
        "he,she; without FILE those of the recipe (audit.swaps)",
    )
    parser.add_argument("--limit", type=_above(0), metavar="N", help="ask at most so many queries (audit.limit, 200)")
    parser.add_argument(
        "--min-slice", type=_above(1), metavar="N", help="fewest examples of a slice (audit.min_slice, 30)"
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Audits a run, writes RUN/evaluate/audit.json and prints it."""
    from cowest.pipeline.audit import audit
    from cowest.report import print_audit

    found = audit(options.run, swaps=options.swaps, limit=options.limit, min_slice=options.min_slice, say=say)
    if options.json:
        print_json(found)
    else:
        print_audit(found)
    print("\nIn evaluate/audit.json; `cowest evaluate` writes it into the page.", file=sys.stderr)


def _above(limit: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        found = int(text)
        if found <= limit:
            raise argparse.ArgumentTypeError(f"{text} is not above {limit}")
        return found

    return number
