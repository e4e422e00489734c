"""Shared by the verbs that end with results: their arguments, the table and the page."""

import argparse
from typing import TYPE_CHECKING

from cowest.cli._recipe import add_recipe_arguments

if TYPE_CHECKING:
    from cowest.pipeline import Pipeline
    from cowest.records import EvaluationResults


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe and --force."""
    add_recipe_arguments(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace finished results of other settings once the new ones are whole"
    )


def finish(pipeline: "Pipeline", results: "EvaluationResults") -> None:
    """Prints the table of results, writes the page and says where it is."""
    from cowest.report import print_results, write_page

    print_results(results)
    page = write_page(pipeline.folder.path)
    print(f"\nThe page of this run: {page}")
