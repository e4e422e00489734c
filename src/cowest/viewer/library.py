"""The runs that a page shows: indexed in the background, again when files change, and read for each request."""

import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from cowest import runs
from cowest.errors import CowestError
from cowest.method_names import label
from cowest.records import EvaluationResults
from cowest.report.headline import headline, verdict
from cowest.report.notes import banner
from cowest.viewer import collections
from cowest.viewer.documents import EvaluatedItem, GradedItem, ItemList, RunOverview
from cowest.viewer.index import Index
from cowest.viewer.items import evaluated, graded
from cowest.viewer.live import Live, Status
from cowest.viewer.query import Wanted

LOOK_EVERY_S = 2.0
REST = 4.0
"""A growing file is indexed again after a pause of this many times the seconds that its last index took."""
MAX_PAGE = 200


class _Run:
    """A run with its current indexes by collection, and those they replaced."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.live = Live(path)
        self.indexes: dict[str, Index] = {}
        self.retired: dict[str, Index] = {}


class Library:
    """Runs by name, each with an index of every collection. Use it as a context: it holds a temporary folder.

    Nothing is written into a run. An index is a temporary file that is made again when the size or time of its files
    changes.

    Args:
        folders: the runs' folders; a number is added to a name that occurs twice.

    Raises:
        InputError: a folder does not exist, or is not a run's.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._runs: dict[str, _Run] = {}
        for folder in folders:
            path = runs.begun(folder).path.resolve()
            base, number = path.name or "run", 2
            name = base
            while name in self._runs:
                name, number = f"{base}~{number}", number + 1
            self._runs[name] = _Run(name, path)
        self._scratch = tempfile.TemporaryDirectory(prefix="cowest-view-")
        self._number = 0
        self._closing = threading.Event()
        self._looked = threading.Condition()
        self._looks = 0
        self._thread = threading.Thread(target=self._poll, name="viewer index", daemon=True)

    def __enter__(self) -> "Library":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._scratch.cleanup()

    def wait_until_indexed(self, timeout_s: float | None = None) -> bool:
        """Waits until all files that exist at the time of the call are indexed; False after `timeout_s`."""
        with self._looked:
            # The pass under way may be beyond a file already; the next one is not.
            goal = self._looks + 2 if self._looks else 1
            return self._looked.wait_for(lambda: self._looks >= goal, timeout_s)

    def overview(self) -> list[RunOverview]:
        """The runs with their collections."""
        return [self._overview(run) for run in self._runs.values()]

    def status(self, run: str) -> Status:
        """The progress of a run.

        Raises:
            KeyError: there is no such run.
        """
        return self._runs[run].live.status()

    def items(
        self, run: str, collection: str, wanted: Wanted, *, offset: int, limit: int, other: str | None = None
    ) -> ItemList:
        """A page of a list.

        Args:
            other: another run whose examples are compared by their ids.

        Raises:
            KeyError: there is no such run, or it has no such collection.
        """
        index = self._runs[run].indexes[collection]
        there = self._runs[other].indexes.get(collection) if other is not None else None
        page = index.page(wanted, max(0, offset), min(max(1, limit), MAX_PAGE), there.path if there else None)
        return ItemList(
            total=page.total,
            more=page.is_more,
            whole_word=page.is_whole_word,
            offset=offset,
            items=page.items,
            compared=there is not None,
        )

    def item(self, run: str, collection: str, identifier: str) -> EvaluatedItem | GradedItem | None:
        """Everything about one example; None where the run has no such example.

        Raises:
            KeyError: there is no such run.
        """
        index = self._runs[run].indexes.get(collection)
        rows = index.rows(identifier) if index else {}
        if not rows:
            return None
        if collection == "evaluation":
            return evaluated(run, collection, identifier, rows)
        return graded(run, collection, identifier, rows)

    def _overview(self, run: _Run) -> RunOverview:
        results = _results(run.path)
        return RunOverview(
            name=run.name,
            path=str(run.path),
            headline=_headline(run.path, results),
            verdict=verdict(results) if results else None,
            banner=banner(results) if results else None,
            collections=[index.overview() for index in _ordered(run.indexes)],
        )

    def _poll(self) -> None:
        while not self._closing.is_set():
            for run in self._runs.values():
                self._look(run)
            with self._looked:
                self._looks += 1
                self._looked.notify_all()
            self._closing.wait(LOOK_EVERY_S)

    def _look(self, run: _Run) -> None:
        try:
            found = {each.name: each for each in collections.find(run.path)}
        except OSError:  # the folder is gone; it may come back
            return
        for gone in set(run.indexes) - set(found):
            del run.indexes[gone]
        for name, collection in found.items():
            before = run.indexes.get(name)
            if before is not None and before.version == collection.version:
                continue
            if before is not None and collection.growing and time.monotonic() < before.made_at + REST * before.took_s:
                continue
            index = Index(self._new_file(), collection)
            if before is None:
                run.indexes[name] = index  # no earlier index to show meanwhile
            try:
                index.build(lambda: not self._closing.is_set())
            except OSError:  # a file was removed meanwhile: the next look indexes what is there
                continue
            except sqlite3.OperationalError as error:
                index.problem = f"{error}; the temporary folder (TMPDIR) may be full"
            except Exception as error:  # whatever a file holds, the other collections and runs are indexed
                index.problem = f"{type(error).__name__}: {error}"
            run.indexes[name] = index
            if before is not None:
                self._retire(run, name, before)

    def _retire(self, run: _Run, name: str, index: Index) -> None:
        """Deletes the index retired before this one; a request may be about to open this one."""
        gone = run.retired.get(name)
        run.retired[name] = index
        if gone is not None:
            for ending in ("", "-wal", "-shm"):
                gone.path.with_name(gone.path.name + ending).unlink(missing_ok=True)

    def _new_file(self) -> Path:
        self._number += 1
        return Path(self._scratch.name).resolve() / f"{self._number}.sqlite"


def _headline(folder: Path, results: EvaluationResults | None) -> str | None:
    """The headline of the results, and how far an evaluation is that has not ended; None where none has begun."""
    evaluate = runs.RunFolder(folder).evaluate
    if results is None:
        done = "" if (evaluate / "results.json").is_file() else _answered(evaluate)
        return f"No result yet: methods are compared when the evaluation ends. {done}" if done else None
    if (new := runs.replacement_of(evaluate)) is None:
        return headline(results)
    begun = "A new evaluation has begun, and its results will take the place of these."
    return f"{headline(results)} {begun} {_answered(new)}".rstrip()


def _answered(evaluate: Path) -> str:
    names = sorted(path.stem for path in (evaluate / "predictions").glob("*.jsonl"))
    return f"So far done: {', '.join(label(name) for name in names)}." if names else ""


def _results(folder: Path) -> EvaluationResults | None:
    path = runs.RunFolder(folder).evaluate / "results.json"
    if not path.is_file():
        return None
    try:
        return EvaluationResults.read(path)
    except CowestError:
        return None  # `cowest show` says what is wrong with it; the examples can be browsed nevertheless


def _ordered(indexes: dict[str, Index]) -> list[Index]:
    rounds = sorted((name for name in indexes if name != "evaluation"), key=lambda name: -int(name[6:]))
    return [indexes[name] for name in ("evaluation", *rounds) if name in indexes]
