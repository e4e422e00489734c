"""What a stage's folder was made from, so that another recipe cannot go on in it unnoticed."""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cowest import runs
from cowest.errors import CowestError, EndpointError, InputError, TrainingError
from cowest.prompts import Prompts
from cowest.types import Example

TEMPLATES = "prompt files"
FOLDER_OF_TEMPLATES = "prompts"
"""What older versions kept besides: where the templates lay. What they say is what counts."""

PAIRS = "pairs"
"""A digest that older versions did not keep; compared where the folder has it."""


def inputs_of(
    recipe: dict[str, Any],
    keys: Sequence[str],
    examples: Sequence[Example],
    prompts: Prompts,
    templates: Iterable[str] | None = None,
) -> dict[str, Any]:
    """What decides the result of a stage: some keys of the recipe by dotted path, the data, and prompt templates.

    Args:
        templates: those that the stage can use; None takes all.
    """
    inputs: dict[str, Any] = {}
    for key in keys:
        value: Any = recipe
        for part in key.split("."):
            value = value[part]
        inputs[key] = value
    inputs["examples"] = digest_of(examples)
    inputs[TEMPLATES] = prompts.versions(templates)
    return inputs


def digest_of(examples: Iterable[Example]) -> str:
    """What tells these examples, in this order, from any others: SHA-256 of all that they hold, as hex."""
    rows = hashlib.sha256()
    for example in examples:
        rows.update((example.model_dump_json() + "\n").encode("utf-8", "surrogatepass"))
    return rows.hexdigest()


def stamp(stage: str, out: Path, inputs: dict[str, Any], maybe_unused: Collection[str] = ()) -> bool:
    """Claims the folder of a stage for these inputs; whether it was free until now.

    Args:
        maybe_unused: templates of which nobody says that the stage uses them; they are compared only where the folder
            names them, since what did not exist then was not used.

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
    _refuse(stage, out, *_changes(before, inputs, maybe_unused))
    return False


def verify(stage: str, out: Path, inputs: dict[str, Any], maybe_unused: Collection[str] = ()) -> None:
    """Checks that a folder which another stage goes on from was made from these inputs; what they leave out may differ.

    Raises:
        InputError: it was made from others; the message names each difference.
    """
    claimed = out / "inputs.json"
    before = runs.read_json(claimed) if claimed.is_file() else None
    if isinstance(before, dict):
        _refuse(stage, out, *_changes({key: before.get(key) for key in inputs}, inputs, maybe_unused))


def matches(out: Path, inputs: dict[str, Any], maybe_unused: Collection[str] = ()) -> bool:
    """Whether a folder was made from these inputs; False where it was made from nothing yet."""
    claimed = out / "inputs.json"
    before = runs.read_json(claimed) if claimed.is_file() else None
    return isinstance(before, dict) and not any(_changes(before, inputs, maybe_unused))


@contextlib.contextmanager
def released_if_refused(out: Path, nothing_paid: Callable[[], bool] = lambda: False) -> Iterator[None]:
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


def _refuse(stage: str, out: Path, changes: list[str], templates: dict[str, str]) -> None:
    if changes or templates:
        files = ", ".join(f"{name}.txt" for name in templates)
        about_templates = f" Old text of a template can stand in the folder that `prompts` names, in {files}."
        raise InputError(
            f"The folder {str(out)!r} belongs to another recipe: its stage {stage!r} was made with "
            f"{'; '.join([*changes, *templates.values()])}. Nothing was touched. Give another folder with run=..., or "
            f"the old values.{about_templates if templates else ''}"
        )


def _changes(
    before: dict[str, Any], now: dict[str, Any], maybe_unused: Collection[str]
) -> tuple[list[str], dict[str, str]]:
    """A phrase for each input that is not what it was, and for each template by its name.

    Templates that only the folder names are not used, and may have changed.
    """
    then = before.get(TEMPLATES)
    known = then if isinstance(then, dict) else {}
    templates = {
        name: f"another text of the prompt template {name!r} ({known.get(name, 'none')}, now {version})"
        for name, version in now.get(TEMPLATES, {}).items()
        if known.get(name) != version and not (name in maybe_unused and name not in known)
    }
    ignored = {TEMPLATES, FOLDER_OF_TEMPLATES} | ({PAIRS} if before.get(PAIRS) is None else set())
    first, second = ({key: each[key] for key in each if key not in ignored} for each in (before, now))
    return differences(first, second), templates


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
    if path in ("examples", PAIRS):
        return [f"other {path}"]
    return [f"{path}: {before!r}, now {now!r}"]
