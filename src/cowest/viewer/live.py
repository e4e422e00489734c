"""How far a run is while it goes on: its stages, and calls, money and rate by role as its ledger has them."""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from cowest import runs

ACTIVE_S = 90.0
"""A run whose files changed within this many seconds counts as going on."""

_RATE_S = 60.0
_REST = 20.0
"""Between two looks at a ledger pass so many times the seconds that a look takes: a large one is read whole."""

_CALLS = """
SELECT role, COUNT(*), TOTAL(cost_usd), SUM(cost_usd IS NULL), SUM(finished_at > ?1), SUM(finished_at >= ?2)
FROM calls WHERE finished_at IS NOT NULL {of_run} GROUP BY role ORDER BY role
"""
_IS_SHAREABLE = "SELECT COUNT(*) FROM pragma_table_info('calls') WHERE name = 'run'"
_TAIL_BYTES = 4096


class Live:
    """Looks at one run, no more often than is cheap.

    Args:
        folder: the run's folder.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._run = runs.RunFolder(folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._ledger: dict[str, Any] = {}
        self._next_look = 0.0

    def status(self) -> dict[str, Any]:
        """`active`, `changed_s` (seconds since any file changed), `stages`, `roles` and `limits`."""
        stages = self._stages()
        since = max((stage["since"] for stage in stages if stage["state"] == "started"), default=None)
        changed = max((_time(path) for path in self._signs()), default=0.0)
        recipe = _recipe(self._run.recipe)
        now = self._clock()
        return {
            "active": bool(changed) and now - changed < ACTIVE_S and stages[-1]["state"] != "done",
            "changed_s": None if not changed else max(0.0, round(now - changed, 1)),
            "stages": stages,
            "roles": self._roles(since),
            "limits": _limits(recipe, stages),
        }

    def _signs(self) -> list[Path]:
        ledger = self._run.ledger.resolve()
        own = [ledger, ledger.with_name(f"{ledger.name}-wal")]
        return [*own, *self._run.path.glob("**/metrics.jsonl"), *self._run.path.glob("**/inputs.json")]

    def _stages(self) -> list[dict[str, Any]]:
        run = self._run
        numbers = sorted(int(path.name[6:]) for path in run.path.glob("round-*") if path.name[6:].isdigit())
        planned = _recipe(run.recipe).get("rounds", 1)
        last = max([planned if isinstance(planned, int) else 1, *numbers])
        stages = [_stage("sft", None, run.sft, "training.json")]
        for number in range(1, min(last, 1000) + 1):
            stages.append(_stage("feedback", number, run.feedback(number), "summary.json"))
            stages.append(_stage("align", number, run.align(number), "training.json"))
        return [*stages, _stage("evaluate", None, run.evaluate, "results.json")]

    def _roles(self, since: float | None) -> dict[str, Any]:
        with self._lock:
            started = time.monotonic()
            if started >= self._next_look and self._run.ledger.is_file():
                self._ledger = self._look(since)
                took = time.monotonic() - started
                self._next_look = started + took * (1 + _REST)
            return self._ledger

    def _look(self, since: float | None) -> dict[str, Any]:
        try:
            with contextlib.closing(_read_only(self._run.ledger)) as connection:
                is_shareable = connection.execute(_IS_SHAREABLE).fetchone()[0]
                query = _CALLS.format(of_run="AND run = ?3" if is_shareable else "")
                values = (self._clock() - _RATE_S, since or 0.0, *([self._run_id()] if is_shareable else []))
                found = connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            return {"": {"problem": f"The ledger cannot be read: {error}"}}
        return {
            role: {
                "calls": calls,
                "spend_usd": None if unknown else spend,
                "per_minute": recent or 0,
                "this_stage": of_stage,
            }
            for role, calls, spend, unknown, recent, of_stage in found
        }

    def _run_id(self) -> str:
        # Read, not asked of RunFolder, which would make one.
        try:
            return (self._run.path / ".run-id").read_text(encoding="utf-8").strip()
        except OSError:
            return ""


def _read_only(path: Path) -> sqlite3.Connection:
    path = path.resolve()  # a shared ledger is a link, and SQLite's other files lie beside the real one
    # A finished ledger in a folder that may not be written can be read only as a file that nobody changes.
    in_use = path.with_name(f"{path.name}-wal").exists()
    mode = "mode=ro" if in_use else "immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=5)


def _stage(name: str, number: int | None, folder: Path, marker: str) -> dict[str, Any]:
    done = folder / marker
    state = "done" if done.is_file() else "started" if folder.is_dir() and any(folder.iterdir()) else "missing"
    return {
        "stage": name,
        "round": number,
        "state": state,
        "since": _time(folder / "inputs.json"),
        "step": _last_step(folder / "metrics.jsonl") if state == "started" else None,
    }


def _last_step(path: Path) -> dict[str, float] | None:
    """Step, epoch and loss of the last line of a training's metrics."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            line = file.read().splitlines()[-1]
        row = json.loads(line)
    except (OSError, ValueError, IndexError):
        return None
    wanted = ("step", "epoch", "loss")
    return (
        {name: row[name] for name in wanted if isinstance(row.get(name), int | float)}
        if isinstance(row, dict)
        else None
    )


def _limits(recipe: dict[str, Any], stages: list[dict[str, Any]]) -> dict[str, Any]:
    """What bounds the stage that is under way: its drafts at most, and the strong model's budget."""
    feedback, strong = recipe.get("feedback"), recipe.get("strong")
    limits: dict[str, Any] = {}
    if isinstance(strong, dict) and isinstance(strong.get("budget_usd"), int | float):
        limits["budget_usd"] = strong["budget_usd"]
    under_way = [stage["stage"] for stage in stages if stage["state"] == "started"]
    if isinstance(feedback, dict) and under_way[-1:] == ["feedback"]:
        queries, samples = feedback.get("queries"), feedback.get("samples")
        if isinstance(queries, int) and isinstance(samples, int):
            limits["drafts"] = queries * samples
    return limits


def _recipe(path: Path) -> dict[str, Any]:
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return recipe if isinstance(recipe, dict) else {}


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
