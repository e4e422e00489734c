"""Shared by the verbs that take a recipe: its arguments, and opening its pipeline."""

import argparse
import sys
from typing import TYPE_CHECKING

from cowest.cli._lines import print_lines

if TYPE_CHECKING:
    from cowest.pipeline import Pipeline


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds RECIPE and key=value overrides."""
    parser.add_argument("recipe", help="a YAML file, package:file, or a run's folder")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="replaces a key of the recipe, e.g. feedback.samples=8"
    )


def say(line: str) -> None:
    """Prints a stage's line to stderr, where progress goes."""
    from cowest.distributed import is_main_process

    if is_main_process():
        print_lines(f"• {line}", stream=sys.stderr)


def open_pipeline(options: argparse.Namespace) -> "Pipeline":
    """The pipeline of the recipe in `options`, not yet entered."""
    from cowest.pipeline import Pipeline
    from cowest.recipe import load_recipe

    return Pipeline(load_recipe(options.recipe, options.overrides), say=say)
