"""What a stage's folder was made from, so that no other recipe goes on in it unnoticed."""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cowest.errors import CowestError, EndpointError, InputError, TrainingError
from cowest.prompts import Prompts
from cowest.records import StageInputs
from cowest.types import Example

INPUTS = "inputs.json"


def inputs_of(
    recipe: Mapping[str, Any],
    keys: Sequence[str],
    examples: Sequence[Example],
    prompts: Prompts,
    templates: Iterable[str] | None = None,
) -> StageInputs:
    """What decides the result of a stage: some keys of the recipe by dotted path, the data, and prompt templates.

    Args:
        templates: those that the stage can use; None takes all.
    """
    values = {key: _value(recipe, key) for key in keys}
    return StageInputs.model_validate(
        values | {"examples": digest_of(examples), "prompt_files": prompts.versions(templates)}
    )


def _value(recipe: Mapping[str, Any], path: str) -> Any:
    value: Any = recipe
    for part in path.split("."):
        value = value[part]
    return value


def digest_of(examples: Iterable[Example]) -> str:
    """SHA-256 over everything that these examples hold, in this order, as hex."""
    rows = hashlib.sha256()
    for example in examples:
        rows.update((example.model_dump_json() + "\n").encode("utf-8", "surrogatepass"))
    return rows.hexdigest()


def stamp(stage: str, out: Path, inputs: StageInputs, maybe_unused: Collection[str] = ()) -> bool:
    """Binds a stage's folder to these inputs; returns whether it was free until now.

    Args:
        maybe_unused: templates that the stage may or may not use. They are compared only where the folder names them,
            since a template that did not exist then was not used.

    Raises:
        InputError: the folder was made from other inputs; the message names each difference.
    """
    before = _read(out)
    if before is None:
        try:
            inputs.write(out / INPUTS)
        except CowestError as error:  # before any work, so nothing was spent
            raise InputError(str(error)) from error
        return True
    _refuse(stage, out, *_changes(before, inputs, maybe_unused))
    return False


def verify(stage: str, out: Path, inputs: StageInputs, maybe_unused: Collection[str] = ()) -> None:
    """Checks that a folder which another stage goes on from was made from these inputs; others may differ.

    Raises:
        InputError: it was made from others; the message names each difference.
    """
    before = _read(out)
    if before is not None:
        _refuse(stage, out, *_changes(before.only(inputs), inputs, maybe_unused))


def matches(out: Path, inputs: StageInputs, maybe_unused: Collection[str] = ()) -> bool:
    """Whether a folder was made from these inputs; False where it was made from nothing yet."""
    before = _read(out)
    return before is not None and not any(_changes(before, inputs, maybe_unused))


@contextlib.contextmanager
def released_if_refused(out: Path, nothing_paid: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Releases a stage's folder where its work is refused and has left nothing to lose, so the recipe can be mended.

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
            (out / INPUTS).unlink(missing_ok=True)
        raise


def _read(out: Path) -> StageInputs | None:
    file = out / INPUTS
    return StageInputs.read(file) if file.is_file() else None


def _refuse(stage: str, out: Path, changes: list[str], templates: dict[str, str]) -> None:
    if changes or templates:
        files = ", ".join(f"{name}.txt" for name in templates)
        about_templates = f" The text of a template from then can be put into the folder that `prompts` names: {files}."
        raise InputError(
            f"The folder {str(out)!r} belongs to another recipe: its stage {stage!r} was made with "
            f"{'; '.join([*changes, *templates.values()])}. Nothing was touched. Give another folder with run=..., or "
            f"the old values.{about_templates if templates else ''}"
        )


def _changes(before: StageInputs, now: StageInputs, maybe_unused: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """A phrase for each input that has changed, and for each template by its name.

    Templates that only the folder names are not used, and may have changed.
    """
    known = before.prompt_files
    templates = {
        name: f"another text of the prompt template {name!r} ({known.get(name, 'none')}, now {version})"
        for name, version in now.prompt_files.items()
        if known.get(name) != version and not (name in maybe_unused and name not in known)
    }
    return before.difference_from(now), templates
