"""`cowest doctor RECIPE [key=value ...]`."""

import argparse

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

NUM_PROBLEMS_SHOWN = 3
"""Per kind and split; `--all` shows every one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe and --all."""
    add_recipe_arguments(parser)
    parser.add_argument("--all", action="store_true", help="name every row that has a problem, not only the first few")


def run(options: argparse.Namespace) -> None:
    """Checks everything that can be checked without a paid call, and prints how to fix each fault.

    Raises:
        InputError: a check failed; every fault has been printed.
    """
    from cowest.characters import printable
    from cowest.doctor import FAULT, diagnose
    from cowest.errors import InputError

    num_faults = 0
    for check in diagnose(open_pipeline(options), None if options.all else NUM_PROBLEMS_SHOWN):
        num_faults += check.mark == FAULT
        print(f"{check.mark} {printable(check.line)}", flush=True)
    if num_faults:
        raise InputError(f"{num_faults} of these checks failed; nothing was spent.")
