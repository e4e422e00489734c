"""`cowest doctor RECIPE [key=value ...]`."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

if TYPE_CHECKING:
    from cowest.pipeline import Pipeline
    from cowest.recipe import Recipe

add_arguments = add_recipe_arguments

NUM_PROBLEMS_SHOWN = 10
MIN_FREE_GB = 5


def run(options: argparse.Namespace) -> None:
    """Checks everything that can be checked without a call, and says what to do about each fault.

    Raises:
        InputError: something is wrong; every fault was printed before.
    """
    from cowest.errors import InputError

    num_faults = 0
    for fault, line in _checks(open_pipeline(options)):
        num_faults += fault
        print(f"{'✗' if fault else '✓'} {line}")
    if num_faults:
        raise InputError(f"{num_faults} of these checks failed; nothing was spent.")


def _checks(pipeline: "Pipeline") -> Iterator[tuple[bool, str]]:
    recipe = pipeline.recipe
    yield False, "the recipe is valid"
    yield from _check_names(pipeline)
    yield from _check_data(pipeline)
    yield from _check_models(recipe)
    yield from _check_machine(pipeline)


def _check_names(pipeline: "Pipeline") -> Iterator[tuple[bool, str]]:
    from cowest.errors import InputError

    try:
        pipeline.check_names()
        yield False, "format, feedback, methods and judge are known, and the prompts can be rendered"
    except InputError as error:
        yield True, str(error)


def _check_data(pipeline: "Pipeline") -> Iterator[tuple[bool, str]]:
    from cowest.errors import InputError

    for name in dict.fromkeys(("train", pipeline.recipe.evaluate.split)):
        try:
            split = pipeline.task.split(name)
        except InputError as error:
            yield True, str(error)
            continue
        found = pipeline.task.validate(split)
        fault = found.num_gold_full < found.num_examples
        yield fault, f"{name}: {found.num_examples} examples; {found.num_gold_full} gold answers score full marks"
        for problem in found.problems[:NUM_PROBLEMS_SHOWN]:
            yield False, f"    row {problem.row}, {problem.field}: {problem.problem}"
        if len(found.problems) > NUM_PROBLEMS_SHOWN:
            yield False, f"    and {len(found.problems) - NUM_PROBLEMS_SHOWN} more"


def _check_models(recipe: "Recipe") -> Iterator[tuple[bool, str]]:
    from cowest.errors import InputError
    from cowest.models import ModelConfig, load_model

    configs = {"weak": recipe.weak, "strong": recipe.strong}
    if isinstance(recipe.judge, ModelConfig):
        configs["judge"] = recipe.judge
    for role, config in configs.items():
        try:
            load_model(config, role=role)
            where = f" at {config.base_url}" if config.base_url else ""
            yield False, f"{role}: {config.model}{where} can be opened (nothing was sent)"
        except InputError as error:
            yield True, f"{role}: {error}"


def _check_machine(pipeline: "Pipeline") -> Iterator[tuple[bool, str]]:
    import importlib.util
    import os
    import shutil

    folder = pipeline.folder.path.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        yield (
            True,
            f"the run folder {str(pipeline.folder.path)!r} cannot be made: {str(folder)!r} is no folder to write in",
        )
    free_gb = shutil.disk_usage(folder).free / 1e9
    yield free_gb < MIN_FREE_GB, f"disk: {free_gb:.0f} GB free for the run; a run of an 8B model takes a few"
    if pipeline.recipe.weak.provider == "local":
        if importlib.util.find_spec("torch") is None:
            yield True, "torch is not installed, and the weak model is local. Run: pip install 'cowest[train]'"
        else:
            import torch

            device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none; training will use the CPU"
            yield False, f"GPU: {device}"
