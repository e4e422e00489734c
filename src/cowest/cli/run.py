"""`cowest run RECIPE [key=value ...]`."""

import argparse

from cowest.cli._recipe import add_recipe_arguments, open_pipeline
from cowest.cli._results import finish

add_arguments = add_recipe_arguments


def run(options: argparse.Namespace) -> None:
    """Runs every stage and round of the recipe, then prints the table."""
    with open_pipeline(options) as pipeline:
        finish(pipeline, pipeline.run())
