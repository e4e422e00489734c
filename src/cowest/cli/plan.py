"""`cowest plan RECIPE [--bench] [--json] [key=value ...]`."""

import argparse

from cowest.cli._json import add_json_argument
from cowest.cli._recipe import add_recipe_arguments, open_pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, --bench and --json."""
    add_recipe_arguments(parser)
    parser.add_argument("--bench", action="store_true", help="plan `cowest bench RECIPE`, cell by cell")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Prints the estimate; opens no model and sends nothing."""
    from cowest.planning import make_bench_plan, make_plan, print_bench_plan, print_plan

    pipeline = open_pipeline(options)
    pipeline.check_names()
    if options.bench:
        bench = make_bench_plan(pipeline.recipe)
        if options.json:
            print(bench.model_dump_json(indent=2))
        else:
            print_bench_plan(bench)
        return
    plan = make_plan(pipeline)
    if options.json:
        print(plan.model_dump_json(indent=2))
    else:
        print_plan(plan)
