"""`cowest show RUN [--json]`."""

import argparse

from cowest.cli._json import add_json_argument, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the run's folder and --json."""
    parser.add_argument("folder", metavar="RUN", help="a run's folder")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Prints state, pairs, spend, the gate, failures and results; reads files only."""
    from cowest import runs
    from cowest.report import collect, print_run

    run = collect(runs.begun(options.folder).path)
    if options.json:
        print_json(run)
    else:
        print_run(run)
