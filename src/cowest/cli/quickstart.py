"""`cowest quickstart [--run FOLDER] [--seed N] [--lab FOLDER]`."""

import argparse
import json

_TEST_QUERIES = 400  # of 1,000: they are about 173 of the 198 drugs, so intervals are little wider, in 40% of the time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the run's folder, the seed and the lab."""
    parser.add_argument("--run", dest="folder", default="runs/quickstart", help="the run's folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--lab", help="a folder made by `cowest lab build`; default: the lab that ships with the package"
    )


def run(options: argparse.Namespace) -> None:
    """Runs the lab's recipe, with half of its test queries, and prints the table."""
    from cowest.cli._recipe import say
    from cowest.cli._results import finish
    from cowest.pipeline import Pipeline
    from cowest.recipe import load_recipe

    overrides = [f"run={json.dumps(options.folder)}", f"seed={options.seed}", f"evaluate.limit={_TEST_QUERIES}"]
    if options.lab is not None:
        overrides += _lab_overrides(options.lab)
    recipe = load_recipe("cowest.lab:recipe.yaml", overrides)
    say("the lab: two tiny models and an invented formulary; the numbers say nothing about large models")
    with Pipeline(recipe, say=say) as pipeline:
        finish(pipeline, pipeline.run())


def _lab_overrides(folder: str) -> list[str]:
    locations = {f"task.{split}": f"{folder}/{split}.jsonl" for split in ("train", "validation", "test")}
    locations |= {"retrieval.corpus": f"{folder}/formulary.jsonl"}
    locations |= {"weak.model": f"local/{folder}/weak", "strong.model": f"local/{folder}/strong-a"}
    locations |= {"feedback.labeller.model": f"local/{folder}/labeller"}
    return [f"{key}={json.dumps(location)}" for key, location in locations.items()]
