"""`cowest show RUN [--json]`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the run's folder and --json."""
    parser.add_argument("folder", metavar="RUN", help="a run's folder")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(options: argparse.Namespace) -> None:
    """Prints state, pairs, spend, the gate, failures and results; reads files only."""
    from cowest import runs
    from cowest.characters import with_half_pairs_escaped
    from cowest.report import collect, print_run

    run = collect(runs.begun(options.folder).path)
    if options.json:
        print(with_half_pairs_escaped(runs.to_json(run, indent=2, by_alias=True)))
    else:
        print_run(run)
