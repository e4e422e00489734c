"""The folder of a run: the path of everything in it, and a lock for one process at a time."""

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cowest.errors import CowestError, InputError
from cowest.plugins import looked_in, nearest
from cowest.runs.files import remove_partial, write_once
from cowest.runs.making import made
from cowest.yaml_reading import read_yaml

GRADED_SO_FAR = "graded-so-far.jsonl"
"""Drafts graded so far, written during feedback for the viewer only; a resumed run ignores it."""

_OF_EVERY_RUN = {".lock", ".run-id"}
"""Files of a run in which nothing has happened yet."""

MAX_ROUNDS = 100
"""Most rounds that a recipe may have; folders with a higher number are not rounds."""


class RunFolder:
    """Paths of a run.

    Args:
        path: the folder; created when something is first written.
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
        """The id of this run's rows in a shared ledger; it survives moving the folder.

        Raises:
            CowestError: there is no such folder, or it cannot be written.
        """
        if (known := self.known_id) is None:
            if not self.path.is_dir():
                raise CowestError(f"{str(self.path / '.run-id')!r} cannot be written: there is no such folder.")
            write_once(self.path / ".run-id", f"{secrets.token_hex(6)}\n")
            known = self.known_id
        if known is None:
            raise CowestError(f"{str(self.path / '.run-id')!r} holds no id. Remove it to have a new one made.")
        return known

    @property
    def known_id(self) -> str | None:
        """The id, None where there is none yet; reading it changes nothing."""
        file = self.path / ".run-id"
        with contextlib.suppress(OSError, ValueError):
            if file.is_file():
                return file.read_text(encoding="utf-8").strip() or None
        return None

    @property
    def has_id(self) -> bool:
        """Whether there is an id already, be it unreadable."""
        return (self.path / ".run-id").exists()

    def locate_ledger(self, shared: str | None) -> Path:
        """The ledger of the run's calls: `shared`, or the run's own.

        Raises:
            InputError: the run used another ledger before, whose replies would be paid for again.
        """
        own = self.ledger
        wanted = own.absolute() if shared is None else Path(shared).expanduser().absolute()
        used = own.readlink() if own.is_symlink() else own.absolute()
        if own.is_symlink() and not own.exists():  # that ledger was moved; the recipe names its new path
            own.unlink()
        if wanted != used and own.exists():
            raise InputError(
                f"This run's replies are kept in {str(used)!r}, but `ledger` now names {str(wanted)!r}, where they "
                f"would be paid for again. Give the old path with ledger={used}, or move that file to the new one"
                f"{f' and remove the link {str(own)!r}' if own.is_symlink() else ''}."
            )
        return wanted

    def link_ledger(self, ledger: Path) -> None:
        """Links a shared ledger under the name of the run's own."""
        if not self.ledger.exists():
            self.ledger.symlink_to(ledger)

    @property
    def sft(self) -> Path:
        """The SFT adapter and its metrics."""
        return _resolve_link(self.path / "sft")

    @property
    def explanations(self) -> Path:
        """What the strong model wrote for training rows without an explanation; shared with the SFT it is for."""
        return self.sft / "explanations"

    @property
    def engines(self) -> Path:
        """What the servers said that the run started."""
        return self.path / "engines"

    @property
    def engines_now(self) -> Path:
        """Which of them run now."""
        return self.engines / "now.json"

    @property
    def annotator(self) -> Path:
        """The annotator of RLWF."""
        return self.path / "annotator"

    def round(self, number: int) -> Path:
        """The folder of a round, counted from 1."""
        return _resolve_link(self.path / f"round-{number}")

    def rounds_begun(self) -> list[int]:
        """Numbers of the rounds whose folder exists, ascending."""
        matches = (re.fullmatch(r"round-([1-9][0-9]{0,2})", folder.name) for folder in self.path.iterdir())
        numbers = (int(match[1]) for match in matches if match)
        return sorted(number for number in numbers if number <= MAX_ROUNDS)

    def rounds(self) -> range:
        """Numbers of the rounds that the recipe plans or that exist, from 1 on."""
        planned = self.read_recipe().get("rounds", 1)
        planned = planned if isinstance(planned, int) and 1 <= planned <= MAX_ROUNDS else 1
        return range(1, max([planned, *self.rounds_begun()]) + 1)

    def read_recipe(self) -> dict[str, Any]:
        """The recipe as resolved, not validated; empty where it is missing or broken."""
        is_regular = self.recipe.is_file()  # not a pipe, for one, at which reading would wait
        try:
            recipe = read_yaml(self.recipe.read_text(encoding="utf-8", errors="replace")) if is_regular else {}
        except (OSError, ValueError):
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
        """Locks the run for this process. A folder that is made for it is removed again if nothing comes into it.

        Raises:
            InputError: another process uses this folder, or it cannot be created.
        """
        with contextlib.ExitStack() as stack:
            try:
                is_new = stack.enter_context(made(self.path))
                # Neither a link, which may lead to a file of somebody else, nor a pipe, at which opening would wait.
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
                file = stack.enter_context(os.fdopen(os.open(self.path / ".lock", flags, 0o666), "wb"))
            except OSError as error:
                raise InputError(
                    f"The run folder {str(self.path)!r} cannot be used: {error}. Name another with run=."
                ) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.fstat(file.fileno()).st_nlink:
                    raise BlockingIOError("its last user has just removed it")
            except OSError as error:
                raise InputError(
                    f"Another process is using the run folder {str(self.path)!r}. Wait for it, or name another."
                ) from error
            remove_partial(self.path / ".run-id")
            try:
                yield
            finally:
                if is_new and {each.name for each in self.path.iterdir()} <= _OF_EVERY_RUN:
                    for name in _OF_EVERY_RUN:
                        (self.path / name).unlink(missing_ok=True)


def existing(folder: str | Path) -> RunFolder:
    """The folder of an existing run.

    Raises:
        InputError: there is no such folder; the message suggests a sibling with a similar name.
    """
    path = Path(folder).expanduser()
    if path.is_dir():
        return RunFolder(path)
    if path.exists():
        raise InputError(f"{str(folder)!r} is a file. Name the folder that a recipe calls `run`.")
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    raise InputError(
        f"There is no run folder {str(folder)!r}.{nearest(path.name, siblings)}{looked_in(folder)} "
        "Name the folder that a recipe calls `run`."
    )


def begun(folder: str | Path) -> RunFolder:
    """The folder of a run that has begun.

    Raises:
        InputError: it does not exist, or holds no file of a run.
    """
    run = existing(folder)
    markers = ("recipe.yaml", "ledger.sqlite", "sft", "round-1", "evaluate", "feedback")
    if not any((run.path / marker).exists() for marker in (*markers, ".lock")):
        raise InputError(f"{str(folder)!r} is not a run's folder: it has none of {', '.join(markers)}. Name another.")
    return run


def _resolve_link(path: Path) -> Path:
    """`path`, or the target of a symbolic link, spelled as in the run that owns it.

    A model's path is part of the ledger's key: under another spelling its replies would not be found.
    """
    return Path(os.path.normpath(path.parent / path.readlink())) if path.is_symlink() else path
