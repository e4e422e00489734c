"""The folder of a run: where everything lies, for one process at a time."""

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cowest.errors import CowestError, InputError
from cowest.plugins import nearest

GRADED_SO_FAR = "graded-so-far.jsonl"
"""Drafts graded so far, written during feedback for the viewer only; a resumed run does not read it."""

MAX_ROUNDS = 100
"""Rounds that a recipe may have; a folder of a higher number is no round's."""


class RunFolder:
    """Paths of a run.

    Args:
        path: the folder; made when something is first written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()

    @property
    def recipe(self) -> Path:
        """The recipe as resolved."""
        return self.path / "recipe.yaml"

    @property
    def ledger(self) -> Path:
        """Every paid call; a symbolic link where the run shares a ledger with others."""
        return self.path / "ledger.sqlite"

    @property
    def id(self) -> str:
        """The id of this run's rows in a shared ledger; it is kept when the folder is moved.

        Raises:
            CowestError: the folder cannot be written.
        """
        file = self.path / ".run-id"
        try:
            with contextlib.suppress(FileExistsError), file.open("x", encoding="utf-8") as new:
                new.write(f"{secrets.token_hex(6)}\n")
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CowestError(
                f"{str(file)!r} cannot be written: {error.strerror or error}. Check that the folder may be written."
            ) from error

    def locate_ledger(self, shared: str | None) -> Path:
        """The ledger of the run's calls: `shared`, or the run's own.

        Raises:
            InputError: the run has used another ledger before; its replies would be paid for again.
        """
        own = self.ledger
        wanted = own.absolute() if shared is None else Path(shared).expanduser().absolute()
        used = own.readlink() if own.is_symlink() else own.absolute()
        if own.is_symlink() and not own.exists():  # that ledger was moved; the recipe names its new place
            own.unlink()
        if wanted != used and own.exists():
            raise InputError(
                f"This run's replies are kept in {str(used)!r}, but `ledger` now names {str(wanted)!r}, where they "
                f"would be paid for again. Give the old place with ledger={used}, or move that file to the new one"
                f"{f' and remove the link {str(own)!r}' if own.is_symlink() else ''}."
            )
        return wanted

    def link_ledger(self, ledger: Path) -> None:
        """Links a shared ledger under the name that the run's own would have."""
        if not self.ledger.exists():
            self.ledger.symlink_to(ledger)

    @property
    def sft(self) -> Path:
        """The SFT adapter and its metrics."""
        return _owned(self.path / "sft")

    @property
    def annotator(self) -> Path:
        """The annotator of RLWF."""
        return self.path / "annotator"

    def round(self, number: int) -> Path:
        """The folder of a round, counted from 1."""
        return _owned(self.path / f"round-{number}")

    def rounds_begun(self) -> list[int]:
        """Numbers of the rounds whose folder exists, ascending."""
        matches = (re.fullmatch(r"round-([1-9][0-9]{0,2})", each.name) for each in self.path.iterdir())
        numbers = (int(match[1]) for match in matches if match)
        return sorted(number for number in numbers if number <= MAX_ROUNDS)

    def rounds(self) -> range:
        """Numbers of the rounds that the recipe plans or that exist, from 1 on."""
        planned = self.read_recipe().get("rounds", 1)
        planned = planned if isinstance(planned, int) and 1 <= planned <= MAX_ROUNDS else 1
        return range(1, max([planned, *self.rounds_begun()]) + 1)

    def read_recipe(self) -> dict[str, Any]:
        """The recipe as resolved, unchecked; empty where it is missing or broken."""
        try:
            recipe = yaml.safe_load(self.recipe.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            return {}
        return recipe if isinstance(recipe, dict) else {}

    def feedback(self, number: int) -> Path:
        """Graded drafts and pairs of a round."""
        return self.round(number) / "feedback"

    def align(self, number: int) -> Path:
        """The aligned adapter of a round."""
        return self.round(number) / "align"

    @property
    def evaluate(self) -> Path:
        """Predictions and results."""
        return self.path / "evaluate"

    @property
    def gate(self) -> Path:
        """The gate: its policy for serving, and its measurements."""
        return self.path / "gate"

    @property
    def retrieval(self) -> Path:
        """The index of the corpus."""
        return self.path / "retrieval"

    @property
    def page(self) -> Path:
        """The report page."""
        return self.path / "report.html"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the run for this process.

        Raises:
            InputError: another process works in this folder, or the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("w")
        except OSError as error:
            raise InputError(
                f"The run folder {str(self.path)!r} cannot be used: {error}. Name another with run=."
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(
                    f"Another process is at work in the run folder {str(self.path)!r}. Wait for it, or name another."
                ) from error
            yield


def existing(folder: str | Path) -> RunFolder:
    """A run's folder that exists.

    Raises:
        InputError: it does not; the message names the folder beside it with the most similar name.
    """
    path = Path(folder).expanduser()
    if path.is_dir():
        return RunFolder(path)
    if path.exists():
        raise InputError(f"{str(folder)!r} is a file. Name the folder that a recipe calls `run`.")
    siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    raise InputError(
        f"There is no run folder {str(folder)!r}.{nearest(path.name, siblings)} "
        "Name the folder that a recipe calls `run`."
    )


def begun(folder: str | Path) -> RunFolder:
    """A folder in which a run was begun.

    Raises:
        InputError: it does not exist, or holds no file of a run.
    """
    run = existing(folder)
    signs = ("recipe.yaml", "ledger.sqlite", "sft", "round-1", "evaluate", "feedback")
    if not any((run.path / sign).exists() for sign in (*signs, ".lock")):
        raise InputError(f"{str(folder)!r} is no run's folder: it has none of {', '.join(signs)}. Name a run's folder.")
    return run


def _owned(path: Path) -> Path:
    """`path`, or the target of a symbolic link, written as the run that owns it writes it.

    A model's name is part of the ledger's key: under another name its replies would not be found.
    """
    return Path(os.path.normpath(path.parent / path.readlink())) if path.is_symlink() else path
