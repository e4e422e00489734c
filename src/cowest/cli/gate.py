"""`cowest gate RECIPE [key=value ...] [--force] [--json]`."""

import argparse
import sys

from cowest.cli._json import add_json_argument, print_json
from cowest.cli._recipe import add_recipe_arguments, open_pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, --force and --json."""
    add_recipe_arguments(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace a finished gate of other models, prompts or sampling"
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Learns `serve.gate`, prints its results on validation and test, and how to serve it."""
    from cowest.report import write_page
    from cowest.report.gate import draw_gate

    with open_pipeline(options) as pipeline:
        result = pipeline.gate(force=options.force)
        folder = pipeline.folder
        if options.json:
            print_json(result)
        else:
            draw_gate(result).print()
        page = write_page(folder.path)
        print(f"In {folder.gate} and {page}. Serve it: cowest serve {folder.recipe}", file=sys.stderr)
