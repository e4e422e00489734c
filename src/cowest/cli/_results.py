"""Shared by the verbs that end with results: their arguments, the table and the page."""

import argparse
import sys
from typing import TYPE_CHECKING

from cowest.cli._json import add_json_argument, print_json
from cowest.cli._recipe import add_recipe_arguments

if TYPE_CHECKING:
    from cowest.pipeline import Pipeline
    from cowest.records import EvaluationResults


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, --force and --json."""
    add_recipe_arguments(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace finished results of other settings once the new ones are whole"
    )
    add_json_argument(parser)


def finish(pipeline: "Pipeline", results: "EvaluationResults", *, as_json: bool = False) -> None:
    """Prints the results as a table or as JSON, writes the page and says where it is."""
    from cowest.report import print_results, write_page

    if as_json:
        print_json(results)
    else:
        print_results(results)
    page = write_page(pipeline.folder.path)
    print(f"\nThe page of this run: {page}", file=sys.stderr if as_json else sys.stdout)
