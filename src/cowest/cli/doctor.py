"""`cowest doctor RECIPE [key=value ...]`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cowest.cli._recipe import add_recipe_arguments, open_pipeline

if TYPE_CHECKING:
    from cowest.models import Metered, ModelConfig
    from cowest.pipeline import Pipeline
    from cowest.tasks import Problem

NUM_PROBLEMS_SHOWN = 3
"""Of each kind in each split; `--all` shows every one."""

MIN_FREE_GB = 5

FINE, LOOK, FAULT = "✓", "!", "✗"

Check = tuple[str, str]
"""A mark and a line."""

KINDS = {
    "gold": "references that do not score full marks",
    "duplicate": "rows that repeat an earlier one",
    "contradiction": "rows that contradict an earlier one",
    "empty": "rows with an empty field",
    "leak": "rows whose query may give the answer away",
    "flaw": "rows with another flaw",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares recipe, overrides and --all."""
    add_recipe_arguments(parser)
    parser.add_argument("--all", action="store_true", help="name every row that has a problem, not only the first few")


def run(options: argparse.Namespace) -> None:
    """Checks everything that can be checked without a call, and says what to do about each fault.

    Raises:
        InputError: something is wrong; every fault was printed before.
    """
    from cowest.errors import InputError

    num_faults = 0
    for mark, line in _checks(open_pipeline(options), None if options.all else NUM_PROBLEMS_SHOWN):
        num_faults += mark == FAULT
        print(f"{mark} {line}")
    if num_faults:
        raise InputError(f"{num_faults} of these checks failed; nothing was spent.")


def _checks(pipeline: "Pipeline", num_shown: int | None) -> Iterator[Check]:
    yield FINE, "the recipe is valid"
    yield from _check_names(pipeline)
    yield from _check_data(pipeline, num_shown)
    yield from _check_models(pipeline)
    yield from _check_machine(pipeline)


def _check_names(pipeline: "Pipeline") -> Iterator[Check]:
    from cowest.errors import InputError

    try:
        pipeline.check_names()
        yield FINE, "format, feedback, methods and judge are known, and the prompts can be rendered"
    except InputError as error:
        yield FAULT, str(error)
        return
    for warning in pipeline.unfenced():
        yield LOOK, warning


def _check_data(pipeline: "Pipeline", num_shown: int | None) -> Iterator[Check]:
    from cowest.errors import InputError

    task, needed = pipeline.task, ("train", pipeline.recipe.evaluate.split)
    broken, said = False, set[str]()
    for name, location in task.locations.items():
        if location is None and name not in needed:
            continue
        try:
            split = task.split(name)
        except InputError as error:
            broken = True
            if str(error) not in said:  # what is wrong with two splits at once is said once
                said.add(str(error))
                yield FAULT, str(error)
            continue
        found = task.validate(split)
        mark = FINE if found.num_gold_full == found.num_examples else FAULT
        yield mark, f"{name}: {found.num_examples:,} examples; {found.num_gold_full:,} gold answers score full marks"
        for kind, what in KINDS.items():
            rows = [problem for problem in found.problems if problem.kind == kind]
            yield from _listed(LOOK, f"{name}: {len(rows):,} {what}", rows, num_shown)
        if name == "train":
            yield from _check_targets(pipeline)
    if not broken:
        yield from _check_overlap(pipeline, num_shown)


def _check_targets(pipeline: "Pipeline") -> Iterator[Check]:
    from cowest.formats import load_format

    if pipeline.recipe.sft.from_ is not None or pipeline.recipe.weak.provider != "local":
        return
    draft_format, split = load_format(pipeline.recipe.format), pipeline.task.train
    num_targets = sum(draft_format.target(example) is not None for example in split)
    num_explained = sum(bool(example.explanation) for example in split)
    yield (
        FINE if num_targets else FAULT,
        f"train: {num_targets:,} rows give a target for {draft_format.name}; {num_explained:,} have an explanation",
    )


def _check_overlap(pipeline: "Pipeline", num_shown: int | None) -> Iterator[Check]:
    task = pipeline.task
    if task.overlap == "drop":
        yield from _listed(
            FINE, f"{len(task.dropped):,} rows are left out of an earlier split", task.dropped, num_shown
        )
        return
    if found := task.overlaps():
        refused = task.overlap == "refuse"
        advice = "; write task.overlap: drop to leave them out of the split that is trained on" if refused else ""
        line = f"{len(found):,} rows stand in two splits{advice}"
        yield from _listed(FAULT if refused else LOOK, line, found, num_shown)


def _listed(mark: str, line: str, rows: "Sequence[Problem]", num_shown: int | None) -> Iterator[Check]:
    if not rows:
        return
    yield mark, line
    for problem in rows[:num_shown]:
        yield " ", f"    row {problem.row}, {problem.field}: {problem.problem}"
    if num_shown is not None and len(rows) > num_shown:
        yield " ", f"    and {len(rows) - num_shown:,} more; --all names them"


def _check_models(pipeline: "Pipeline") -> Iterator[Check]:
    from cowest.errors import InputError
    from cowest.models import ModelConfig, load_model

    configs = {"weak": pipeline.first_weak, "strong": pipeline.recipe.strong}
    if isinstance(pipeline.recipe.judge, ModelConfig):
        configs["judge"] = pipeline.recipe.judge
    if pipeline.recipe.feedback.labeller is not None:
        configs["labeller"] = pipeline.recipe.feedback.labeller
    try:
        pipeline.check_adapter()
    except InputError as error:
        yield FAULT, f"sft.from: {error}"
    for role, config in configs.items():
        try:
            if config.provider == "local" and (download := _download(config.model_name)):
                yield download[0], f"{role}: {config.model} {download[1]}"
                continue
            model = load_model(config, role=role)
            where = f" at {config.base_url}" if config.base_url else ""
            yield FINE, f"{role}: {config.model}{where} can be opened (nothing was sent)"
            yield from _check_endpoint(role, config, model)
        except InputError as error:
            yield FAULT, f"{role}: {error}"


def _download(location: str) -> Check | None:
    """What opening a model would fetch from the hub, which doctor does not; None where it is on this machine."""
    import shutil

    from cowest import model_folders

    num_bytes = model_folders.bytes_to_download(location)
    if not num_bytes:
        return None
    from huggingface_hub.constants import HF_HUB_CACHE

    free_gb, size_gb = shutil.disk_usage(_existing(Path(HF_HUB_CACHE))).free / 1e9, num_bytes / 1e9
    line = f"is not on this machine; the stage that opens it first downloads {size_gb:.1f} GB (nothing was fetched now)"
    if free_gb > size_gb:
        return LOOK, line
    return FAULT, f"{line}, and {HF_HUB_CACHE!r} has {free_gb:.1f} GB free. Make room, or set HF_HOME to another disk"


def _check_endpoint(role: str, config: "ModelConfig", model: "Metered") -> Iterator[Check]:
    """Asks an endpoint which models it has, where it can tell: reaches it, and tries the key, without a paid call."""
    from cowest import synchronous
    from cowest.errors import EndpointError
    from cowest.plugins import nearest

    async def ask() -> list[str] | None:
        try:
            return await model.listed_models()
        finally:
            await model.close()

    try:
        listed = synchronous.run(ask())
    except EndpointError as error:
        yield FAULT, f"{role}: {error}"
        return
    if listed is None:
        return
    if not listed:
        yield LOOK, f"{role}: the endpoint answers, but does not say which models it has"
    elif config.model_name not in listed:
        hint = nearest(config.model_name, listed)
        yield LOOK, f"{role}: the endpoint does not list {config.model_name!r} among its {len(listed)} models.{hint}"
    else:
        yield FINE, f"{role}: the endpoint answers, takes the key and has the model (no call was paid)"


def _check_machine(pipeline: "Pipeline") -> Iterator[Check]:
    import importlib.util
    import os
    import shutil

    folder = _existing(pipeline.folder.path)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        yield (
            FAULT,
            f"the run folder {str(pipeline.folder.path)!r} cannot be made: {str(folder)!r} is no folder to write in",
        )
    free_gb = shutil.disk_usage(folder).free / 1e9
    yield (
        FAULT if free_gb < MIN_FREE_GB else FINE,
        f"disk: {free_gb:.0f} GB free for the run; a run of an 8B model takes a few",
    )
    if pipeline.recipe.weak.provider == "local":
        if importlib.util.find_spec("torch") is None:
            yield FAULT, "torch is not installed, and the weak model is local. Run: pip install 'cowest[train]'"
        else:
            import torch

            device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none; training will use the CPU"
            yield FINE, f"GPU: {device}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
