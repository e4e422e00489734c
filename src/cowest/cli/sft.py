"""`cowest sft RECIPE [key=value ...]`."""

import argparse

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

add_arguments = add_recipe_arguments


def run(options: argparse.Namespace) -> None:
    """Trains the weak model by supervised fine-tuning."""
    with open_pipeline(options) as pipeline:
        pipeline.sft()
