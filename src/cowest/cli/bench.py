"""`cowest bench RECIPE [key=value ...]`."""

import argparse

from cowest.cli._recipe import add_recipe_arguments, say

add_arguments = add_recipe_arguments


def run(options: argparse.Namespace) -> None:
    """Runs every cell, writes RUN/bench and prints the tables."""
    from cowest.bench import print_bench, run_bench
    from cowest.recipe import load_recipe

    recipe = load_recipe(options.recipe, options.overrides)
    print_bench(run_bench(recipe, say=say))
    print(f"\nTables, figures and cases: {recipe.run}/bench\nThe page of this run: {recipe.run}/report.html")
