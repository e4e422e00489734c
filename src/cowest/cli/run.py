"""`cowest run RECIPE [key=value ...] [--force] [--json]`."""

import argparse

from cowest.cli._recipe import open_pipeline
from cowest.cli._results import add_arguments, finish

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> None:
    """Runs every stage and round of the recipe, then prints the table."""
    with open_pipeline(options) as pipeline:
        finish(pipeline, pipeline.run(force=options.force), as_json=options.json)
