"""`cowest bench RECIPE [key=value ...] [--force] [--json]`."""

import argparse

from cowest.cli._json import print_json
from cowest.cli._recipe import say
from cowest.cli._results import add_arguments

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> None:
    """Runs every cell, writes RUN/bench and prints the tables."""
    from cowest.bench import print_bench, run_bench
    from cowest.recipe import load_recipe

    recipe = load_recipe(options.recipe, options.overrides)
    results = run_bench(recipe, say=say, force=options.force)
    if options.json:
        print_json(results)
        return
    print_bench(results)
    print(f"\nTables, figures and cases: {recipe.run}/bench\nThe page of this run: {recipe.run}/report.html")
