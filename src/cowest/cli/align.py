"""`cowest align RECIPE [key=value ...]`."""

import argparse

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

add_arguments = add_recipe_arguments


def run(options: argparse.Namespace) -> None:
    """Tunes the weak model on the next round's pairs."""
    with open_pipeline(options) as pipeline:
        pipeline.align()
