"""`cowest quickstart [--run FOLDER] [--seed N] [--lab FOLDER]`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds where to run, with which seed, on which lab."""
    parser.add_argument("--run", dest="folder", default="runs/quickstart", help="the run's folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--lab", help="a folder made by `cowest lab build`; default: the lab that ships with the package"
    )


def run(options: argparse.Namespace) -> None:
    """Runs the lab's recipe and prints the table."""
    from cowest.cli._recipe import say
    from cowest.cli._results import finish
    from cowest.pipeline import Pipeline
    from cowest.recipe import load_recipe

    overrides = [f"run={options.folder}", f"seed={options.seed}"]
    if options.lab is not None:
        overrides += _lab_overrides(options.lab)
    recipe = load_recipe("cowest.lab:recipe.yaml", overrides)
    say("the lab: two tiny models and an invented formulary; the numbers say nothing about large models")
    with Pipeline(recipe, say=say) as pipeline:
        finish(pipeline, pipeline.run())


def _lab_overrides(folder: str) -> list[str]:
    splits = [f"task.{split}={folder}/{split}.jsonl" for split in ("train", "validation", "test")]
    return [f"weak.model=local/{folder}/weak", f"strong.model=local/{folder}/strong-a", *splits]
