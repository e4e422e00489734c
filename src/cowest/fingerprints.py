"""What a stage's folder was made from, so that another recipe cannot continue in it unnoticed."""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cowest import runs
from cowest.errors import CowestError, EndpointError, InputError, TrainingError
from cowest.prompts import Prompts
from cowest.records import StageInputs
from cowest.types import Example

INPUTS = "inputs.json"

_OLD_VALUES = "Give another folder with run=..., or the old values."


def inputs_of(
    recipe: Mapping[str, Any],
    keys: Sequence[str],
    examples: Sequence[Example],
    prompts: Prompts,
    templates: Iterable[str] | None = None,
) -> StageInputs:
    """What determines the result of a stage: recipe keys by dotted path, the data, and prompt templates.

    Args:
        templates: those that the stage can use; None means all.
    """
    values = {key: _lookup(recipe, key) for key in keys}
    return StageInputs.model_validate(
        values | {"examples": digest_of(examples), "prompt_files": prompts.versions(templates)}
    )


def _lookup(recipe: Mapping[str, Any], path: str) -> Any:
    value: Any = recipe
    for part in path.split("."):
        value = value[part]
    return value


def digest_of(examples: Iterable[Example]) -> str:
    """SHA-256 of the examples' full content in this order, as hex."""
    rows = hashlib.sha256()
    for example in examples:
        rows.update((runs.to_json(example) + "\n").encode("utf-8", "surrogatepass"))
    return rows.hexdigest()


def stamp(stage: str, out: Path, inputs: StageInputs, maybe_unused: Collection[str] = ()) -> bool:
    """Binds a stage's folder to these inputs; returns whether the folder was unbound before.

    Args:
        maybe_unused: templates that the stage may or may not use. They are compared only where the folder names them:
            a template that did not exist at the time was not used.

    Raises:
        InputError: the folder was made from other inputs; the message names each difference.
    """
    before = read(out)
    if before is None:
        try:
            inputs.write(out / INPUTS)
        except CowestError as error:  # before any work, so nothing was spent
            raise InputError(str(error)) from error
        return True
    _refuse_changes(stage, out, *_changes(before, inputs, maybe_unused))
    return False


def verify(
    stage: str, out: Path, inputs: StageInputs, maybe_unused: Collection[str] = (), advice: str = _OLD_VALUES
) -> None:
    """Checks that a folder which a later stage builds on was made from these inputs; its other inputs may differ.

    Args:
        advice: what to do, for the error.

    Raises:
        InputError: it was made from other inputs; the message names each difference.
    """
    before = read(out)
    if before is not None:
        _refuse_changes(stage, out, *_changes(before.only(inputs), inputs, maybe_unused), advice)


def matches(out: Path, inputs: StageInputs, maybe_unused: Collection[str] = ()) -> bool:
    """Whether a folder was made from these inputs; False where nothing was made in it yet."""
    before = read(out)
    return before is not None and not any(_changes(before, inputs, maybe_unused))


@contextlib.contextmanager
def released_if_refused(out: Path, nothing_paid: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Unbinds a stage's folder if its work is refused before there is anything to lose, so the recipe can be corrected.

    Args:
        nothing_paid: called when an endpoint failed: whether it failed from the very first call, as with a mistyped
            name or address.
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


def read(out: Path) -> StageInputs | None:
    """What a folder was made from; None where nothing was made in it yet."""
    file = out / INPUTS
    return StageInputs.read(file) if file.is_file() else None


def _refuse_changes(
    stage: str, out: Path, changes: list[str], templates: dict[str, str], advice: str = _OLD_VALUES
) -> None:
    if changes or templates:
        files = ", ".join(f"{name}.txt" for name in templates)
        about_templates = f" The old text of a template can be restored in the folder that `prompts` names: {files}."
        raise InputError(
            f"The folder {str(out)!r} belongs to another recipe: its stage {stage!r} was made with "
            f"{'; '.join([*changes, *templates.values()])}. Nothing was touched. {advice}"
            f"{about_templates if templates else ''}"
        )


def _changes(before: StageInputs, now: StageInputs, maybe_unused: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """A phrase for each changed input, and for each changed template by name.

    Templates named only by the folder are not used any more, so changes to them do not count.
    """
    previous = before.prompt_files
    templates = {
        name: f"another text of the prompt template {name!r} ({previous.get(name, 'none')}, now {version})"
        for name, version in now.prompt_files.items()
        if previous.get(name) != version and not (name in maybe_unused and name not in previous)
    }
    return before.difference_from(now), templates
