"""Checks of the machine: the run's folder and ledger, disk space, and a GPU for a local weak model."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cowest.doctor.check import FAULT, FINE, Check
from cowest.ledger import find_damage
from cowest.pipeline import Pipeline

MIN_FREE_GB = 5


def check_machine(pipeline: Pipeline) -> Iterator[Check]:
    """Looks at the disk of the run's folder, and for torch and a GPU where the weak model is local."""
    folder = nearest_existing(pipeline.folder.path)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        run = str(pipeline.folder.path)
        yield Check(FAULT, f"the run folder {run!r} cannot be made: {str(folder)!r} is not a writable folder")
    yield from _check_ledger(pipeline)
    free_gb = shutil.disk_usage(folder).free / 1e9
    line = f"disk: {free_gb:.0f} GB free for the run; a run of an 8B model takes a few"
    yield Check(FAULT if free_gb < MIN_FREE_GB else FINE, line)
    if pipeline.recipe.weak.provider == "local":
        yield _check_torch()


def _check_ledger(pipeline: Pipeline) -> Iterator[Check]:
    path = pipeline.folder.ledger
    if path.is_file():
        damage = find_damage(path)
        yield Check(FAULT, damage) if damage else Check(FINE, "the ledger is whole: every reply in it can be read")


def _check_torch() -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check(FAULT, "torch is not installed, and the weak model is local. Run: pip install 'cowest[train]'")
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none; training will use the CPU"
    return Check(FINE, f"GPU: {device}")


def nearest_existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
