"""The runs that are looked at: indexed in the background, again when files change, and what a page asks of them."""

import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cowest import runs
from cowest.errors import CowestError
from cowest.report.headline import headline, verdict
from cowest.report.records import Results, label
from cowest.viewer import collections
from cowest.viewer.collections import Rows, as_texts
from cowest.viewer.index import Index
from cowest.viewer.live import Live
from cowest.viewer.query import Wanted

LOOK_EVERY_S = 2.0
REST = 4.0
"""After a file that still grows was indexed, this many times what it took passes before it is indexed again."""
MAX_PAGE = 200


class _Run:
    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.live = Live(path)
        self.indexes: dict[str, Index] = {}
        self.retired: dict[str, Index] = {}


class Library:
    """Runs by name, each with an index of every collection. Use it as a context: it holds a temporary folder.

    Nothing is written into a run. An index is a temporary file that is made again when the files it was made from
    have another size or time.

    Args:
        folders: the runs' folders; two of the same name are told apart by a number.

    Raises:
        InputError: a folder is not there, or is not a run's.
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
        """Waits until all files that were there when this was called are indexed; False if that took too long."""
        with self._looked:
            # The look under way may have passed a file already; the next one has not.
            goal = self._looks + 2 if self._looks else 1
            return self._looked.wait_for(lambda: self._looks >= goal, timeout_s)

    def overview(self) -> list[dict[str, Any]]:
        """What there is to look at, run by run."""
        return [self._overview(run) for run in self._runs.values()]

    def status(self, run: str) -> dict[str, Any]:
        """How far a run is.

        Raises:
            KeyError: there is no such run.
        """
        return self._runs[run].live.status()

    def items(
        self, run: str, collection: str, wanted: Wanted, *, offset: int, limit: int, other: str | None = None
    ) -> dict[str, Any]:
        """A page of a list.

        Args:
            other: another run whose examples are compared by their ids.

        Raises:
            KeyError: there is no such run, or it has no such collection.
        """
        index = self._runs[run].indexes[collection]
        there = self._runs[other].indexes.get(collection) if other is not None else None
        page = index.page(wanted, max(0, offset), min(max(1, limit), MAX_PAGE), there.path if there else None)
        return {
            "total": page.total,
            "more": page.is_more,
            "whole_word": page.is_whole_word,
            "offset": offset,
            "items": page.items,
            "compared": there is not None,
        }

    def item(self, run: str, collection: str, identifier: str) -> dict[str, Any] | None:
        """Everything about one example; None where the run has no such example.

        Raises:
            KeyError: there is no such run.
        """
        index = self._runs[run].indexes.get(collection)
        rows = index.rows(identifier) if index else {}
        if not rows:
            return None
        document = _evaluated(rows) if collection == "evaluation" else _graded(rows)
        return {"id": identifier, "run": run, "collection": collection, **document}

    def _overview(self, run: _Run) -> dict[str, Any]:
        results = _results(run.path)
        return {
            "name": run.name,
            "path": str(run.path),
            "headline": headline(results) if results else None,
            "verdict": verdict(results) if results else None,
            "banner": results.banner if results else None,
            "collections": [_about(index) for index in _ordered(run.indexes)],
        }

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
        except OSError:  # the folder went away; it may come back
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
                run.indexes[name] = index  # there is nothing better to show meanwhile
            try:
                index.build(lambda: not self._closing.is_set())
            except OSError:  # a file was removed meanwhile: the next look sees to it
                continue
            except sqlite3.Error as error:
                index.problem = f"{error}; the temporary folder (TMPDIR) may be full"
            run.indexes[name] = index
            if before is not None:
                self._retire(run, name, before)

    def _retire(self, run: _Run, name: str, index: Index) -> None:
        """Takes away the index before this one; this one may be about to be opened by a request."""
        gone = run.retired.get(name)
        run.retired[name] = index
        if gone is not None:
            for ending in ("", "-wal", "-shm"):
                gone.path.with_name(gone.path.name + ending).unlink(missing_ok=True)

    def _new_file(self) -> Path:
        self._number += 1
        return Path(self._scratch.name).resolve() / f"{self._number}.sqlite"


def _results(folder: Path) -> Results | None:
    path = runs.RunFolder(folder).evaluate / "results.json"
    if not path.is_file():
        return None
    try:
        return Results.model_validate(runs.read_json(path))
    except (CowestError, ValidationError):
        return None  # `cowest show` says what is wrong with it; the examples can be browsed all the same


def _ordered(indexes: dict[str, Index]) -> list[Index]:
    rounds = sorted((name for name in indexes if name != "evaluation"), key=lambda name: -int(name[6:]))
    return [indexes[name] for name in ("evaluation", *rounds) if name in indexes]


def _about(index: Index) -> dict[str, Any]:
    if index.is_complete:
        if index.about is None:  # counting 100,000 examples for each look of each page would add up
            index.about = _count(index)
        return index.about
    return _count(index)


def _count(index: Index) -> dict[str, Any]:
    return {
        "name": index.collection.name,
        "title": index.collection.title,
        "counts": index.counts(),
        "facets": index.facets(),
        "growing": index.collection.growing,
        "complete": index.is_complete or index.problem is not None,
        "problem": index.problem,
        "share_done": round(index.share_done, 3),
        "broken": index.num_broken(),
    }


def _evaluated(rows: Rows) -> dict[str, Any]:
    methods = {name: found[0] for name, found in rows.items()}
    first = next(iter(methods.values()))
    kept = ("draft", "output", "answer", "correct", "scores", "label", "error", "calls", "latency_s", "cost_usd")
    return {
        "query": first.get("query"),
        "reference": as_texts(first.get("reference")),
        "gold_label": first.get("gold_label"),
        "fields": first.get("fields") or {},
        "pair": collections.pair_of(list(methods)),
        "alone": collections.ALONE if collections.ALONE in methods else None,
        "methods": [
            {"name": name, "title": label(name), **{key: row.get(key) for key in kept}} for name, row in methods.items()
        ],
    }


def _graded(rows: Rows) -> dict[str, Any]:
    graded = next(iter(rows.get("graded", ())), {})
    chosen: dict[Any, list[int]] = {}
    rejected: dict[Any, list[int]] = {}
    for number, pair in enumerate(rows.get("pairs", ()), 1):
        chosen.setdefault(pair.get("chosen_sample_index"), []).append(number)
        rejected.setdefault(pair.get("rejected_sample_index"), []).append(number)
    rewards = [*(graded.get("rewards") or ())]
    drafts = [(collections.draft_of(each), each) for each in graded.get("drafts") or ()]
    return {
        "query": graded.get("query"),
        "reference": as_texts(graded.get("reference")),
        "fields": graded.get("fields") or {},
        "null": next(iter(rows.get("null_control", ())), None),
        "comparisons": graded.get("comparisons") or [],
        "solo": graded.get("solo"),
        "solo_verdict": graded.get("solo_verdict"),
        "skipped": graded.get("skipped"),
        "failures": [row.get("reason") for row in rows.get("failures", ())],
        "num_pairs": len(rows.get("pairs", ())),
        "drafts": [
            {
                "index": draft.get("sample_index"),
                "text": draft.get("text"),
                "finish_reason": draft.get("finish_reason"),
                "refined": each.get("refined"),
                "verdict": each.get("verdict"),
                "gain": each.get("gain"),
                "reward": rewards[place] if place < len(rewards) else None,
                "chosen_in": chosen.get(draft.get("sample_index"), []),
                "rejected_in": rejected.get(draft.get("sample_index"), []),
            }
            for place, (draft, each) in enumerate(drafts)
        ],
    }
