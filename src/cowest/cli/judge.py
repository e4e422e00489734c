"""`cowest judge check RECIPE [key=value ...] [--limit N] [--json]`."""

import argparse

from cowest.cli._json import add_json_argument, print_json
from cowest.cli._recipe import add_recipe_arguments, open_pipeline

ROWS = 20
"""Rows that are tried unless the user says otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the only action, `check`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check", help="tries the recipe's judge on right, wrong, attacked and padded answers to rows of validation"
    )
    add_recipe_arguments(check)
    check.add_argument("--limit", type=_positive, default=ROWS, metavar="N", help=f"rows to try; default {ROWS}")
    add_json_argument(check)


def run(options: argparse.Namespace) -> None:
    """Prints what was measured of the judge."""
    from cowest.report.judge_check import print_judge_check

    with open_pipeline(options) as pipeline:
        result = pipeline.check_judge(options.limit)
    if options.json:
        print_json(result)
    else:
        print_judge_check(result)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of rows; give 1 or more")
    return number
