"""`cowest gate RECIPE [key=value ...]`."""

import argparse
import sys

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

add_arguments = add_recipe_arguments


def run(options: argparse.Namespace) -> None:
    """Learns `serve.gate`, prints its results on validation and test, and how to serve it."""
    from cowest.characters import printable
    from cowest.report import write_page

    with open_pipeline(options) as pipeline:
        pipeline.gate()
        folder = pipeline.folder
        print(printable((folder.gate / "gate.md").read_text(encoding="utf-8")))
        page = write_page(folder.path)
        print(f"In {folder.gate} and {page}. Serve it: cowest serve {folder.recipe}", file=sys.stderr)
