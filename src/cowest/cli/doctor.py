"""`cowest doctor RECIPE [key=value ...] [--all] [--json]`."""

import argparse
import json

from cowest.cli._json import add_json_argument
from cowest.cli._lines import print_lines
from cowest.cli._recipe import add_recipe_arguments, open_pipeline

NUM_PROBLEMS_SHOWN = 3
"""Per kind and split; `--all` shows every one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, --all and --json."""
    add_recipe_arguments(parser)
    parser.add_argument("--all", action="store_true", help="name every row that has a problem, not only the first few")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Checks everything that can be checked without a paid call, and prints how to fix each fault.

    Raises:
        InputError: a check failed; every fault has been printed.
    """
    from cowest.doctor import FAULT, FINDINGS, diagnose
    from cowest.errors import InputError

    num_faults, found = 0, list[dict[str, str]]()
    for check in diagnose(open_pipeline(options), None if options.all else NUM_PROBLEMS_SHOWN):
        num_faults += check.mark == FAULT
        found.append({"finding": FINDINGS[check.mark], "line": check.line.strip()})
        if not options.json:
            print_lines(f"{check.mark} {check.line}")
    if options.json:
        print(json.dumps({"num_faults": num_faults, "checks": found}, indent=2))
    if num_faults:
        raise InputError(f"{num_faults} of these checks failed; nothing was spent.")
