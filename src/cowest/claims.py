"""What a stage's folder was made from, so that another recipe cannot go on in it unnoticed."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cowest import runs
from cowest.errors import CowestError, EndpointError, InputError, TrainingError
from cowest.prompts import Prompts
from cowest.types import Example


def inputs_of(
    recipe: dict[str, Any], keys: Sequence[str], examples: Sequence[Example], prompts: Prompts
) -> dict[str, Any]:
    """What decides the result of a stage: some keys of the recipe by dotted path, the data, and the prompts."""
    inputs: dict[str, Any] = {}
    for key in keys:
        value: Any = recipe
        for part in key.split("."):
            value = value[part]
        inputs[key] = value
    rows = hashlib.sha256()
    for example in examples:
        rows.update((example.model_dump_json() + "\n").encode("utf-8", "surrogatepass"))
    inputs["examples"] = rows.hexdigest()
    inputs["prompt files"] = prompts.versions()
    return inputs


def claim(stage: str, out: Path, inputs: dict[str, Any]) -> bool:
    """Claims the folder of a stage for these inputs; whether it was free until now.

    Raises:
        InputError: it was made from other inputs; the message names each difference.
    """
    claimed = out / "inputs.json"
    if not claimed.is_file():
        try:
            runs.write_json(claimed, inputs)
        except CowestError as error:  # before any work, so nothing was spent
            raise InputError(str(error)) from error
        return True
    before = runs.read_json(claimed)
    if not isinstance(before, dict):
        raise InputError(f"{str(claimed)!r} is not what a stage wrote there. Give another folder with run=....")
    _refuse(stage, out, differences(before, inputs))
    return False


def check(stage: str, out: Path, inputs: dict[str, Any]) -> None:
    """Checks that a folder which another stage goes on from was made from these inputs; what they leave out may differ.

    Raises:
        InputError: it was made from others; the message names each difference.
    """
    claimed = out / "inputs.json"
    before = runs.read_json(claimed) if claimed.is_file() else None
    if isinstance(before, dict):
        _refuse(stage, out, differences({key: before.get(key) for key in inputs}, inputs))


@contextlib.contextmanager
def given_up_if_refused(out: Path, nothing_paid: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Gives a stage's folder up where its work is refused and has left nothing to lose, so the recipe can be mended.

    Args:
        nothing_paid: asked where an endpoint failed: whether it failed from the first call on, as it does under a
            mistyped name or address.
    """
    try:
        yield
    except (InputError, TrainingError, EndpointError) as error:
        if isinstance(error, EndpointError) and not nothing_paid():
            raise
        finished = any((out / marker).is_file() for marker in ("training.json", "summary.json"))
        if not finished and not any(out.glob("checkpoints/checkpoint-*")):
            (out / "inputs.json").unlink(missing_ok=True)
        raise


def _refuse(stage: str, out: Path, changed: list[str]) -> None:
    if changed:
        raise InputError(
            f"The folder {str(out)!r} belongs to another recipe: its stage {stage!r} was made with "
            f"{'; '.join(changed)}. Nothing was touched. Give another folder with run=..., or the old values."
        )


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """How two sets of inputs differ, a phrase for each key."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [
            line
            for key in keys
            for line in differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
        ]
    if before == now:
        return []
    if path == "examples" or path.startswith("prompt files"):
        return [f"other {path}"]
    return [f"{path}: {before!r}, now {now!r}"]
