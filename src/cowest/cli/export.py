"""`cowest export RUN --to FOLDER|hub:NAME [--merged]`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the run's folder."""
    parser.add_argument("folder", metavar="RUN", help="a finished run's folder")


def run(options: argparse.Namespace) -> None:
    """Later."""
