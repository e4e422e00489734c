"""The progress of a run: its stages, and calls, cost and rate by role from its ledger."""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cowest import runs
from cowest.errors import InputError
from cowest.ledger import connect_read_only
from cowest.report.engines import engines_now

ACTIVE_S = 90.0
"""A run whose files changed within this many seconds counts as active."""

_RATE_S = 60.0
_REST = 20.0
"""A ledger is read again after a pause of this many times the seconds that reading took: all its rows are counted."""

_CALLS = """
SELECT role, COUNT(*), TOTAL(cost_usd), SUM(cost_usd IS NULL), SUM(finished_at > ?1), SUM(finished_at >= ?2)
FROM calls WHERE finished_at IS NOT NULL AND run = ?3 GROUP BY role ORDER BY role
"""
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class StageProgress:
    """A stage of a run.

    Attributes:
        round: counted from 1; None for a stage outside the rounds.
        since: when it started, in seconds since the epoch; 0 where it has not.
        step: those of step, epoch and loss that a training under way has written last; None where none is under way.
    """

    stage: str
    round: int | None
    state: Literal["missing", "started", "done"]
    since: float
    step: dict[str, float] | None


@dataclass(frozen=True)
class RoleCalls:
    """The calls of one role.

    Attributes:
        spend_usd: None where the price of a call is unknown.
        per_minute: calls that finished within the last minute.
        this_stage: calls that finished since the stage under way started.
    """

    calls: int
    spend_usd: float | None
    per_minute: int
    this_stage: int


@dataclass(frozen=True)
class LedgerProblem:
    """Why the ledger cannot be read, in place of its calls."""

    problem: str


@dataclass(frozen=True)
class Status:
    """The progress of a run.

    Attributes:
        active: whether its files changed lately and it is not finished.
        changed_s: seconds since any of its files changed; None where there is none.
        roles: calls by role; under "" the problem of a ledger that cannot be read.
        engines: that the run has started and that run now, a line for each role.
        limits: what bounds the stage under way, as far as it is known: `budget_usd` of the strong model, and `drafts`.
    """

    active: bool
    changed_s: float | None
    stages: list[StageProgress]
    roles: dict[str, RoleCalls | LedgerProblem]
    engines: list[str]
    limits: dict[str, float]


class Live:
    """Reads the progress of one run, its ledger no more often than is cheap.

    Args:
        folder: the run's folder.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._run = runs.RunFolder(folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, RoleCalls | LedgerProblem] = {}
        self._next_read = 0.0

    def status(self) -> Status:
        """The progress as it is now."""
        stages = self._stages()
        since = max((stage.since for stage in stages if stage.state == "started"), default=None)
        changed = max((_time(path) for path in self._signs()), default=0.0)
        recipe = self._run.read_recipe()
        now = self._clock()
        return Status(
            active=bool(changed) and abs(now - changed) < ACTIVE_S and stages[-1].state != "done",
            changed_s=None if not changed else max(0.0, round(now - changed, 1)),
            stages=stages,
            roles=self._roles(since),
            engines=engines_now(self._run),
            limits=_limits(recipe, stages),
        )

    def _signs(self) -> list[Path]:
        ledger = self._run.ledger.resolve()
        own = [ledger, ledger.with_name(f"{ledger.name}-wal")]
        return [*own, *self._run.path.glob("**/metrics.jsonl"), *self._run.path.glob("**/inputs.json")]

    def _stages(self) -> list[StageProgress]:
        run = self._run
        stages = [_stage("sft", None, run.sft, "training.json")]
        for number in run.rounds():
            stages.append(_stage("feedback", number, run.feedback(number), "summary.json"))
            stages.append(_stage("align", number, run.align(number), "training.json"))
        evaluate = runs.replacement_of(run.evaluate) or run.evaluate
        return [*stages, _stage("evaluate", None, evaluate, "results.json")]

    def _roles(self, since: float | None) -> dict[str, RoleCalls | LedgerProblem]:
        with self._lock:
            started = time.monotonic()
            if started >= self._next_read and self._run.ledger.is_file():
                self._calls = self._read_ledger(since)
                took = time.monotonic() - started
                self._next_read = started + took * (1 + _REST)
            return self._calls

    def _read_ledger(self, since: float | None) -> dict[str, RoleCalls | LedgerProblem]:
        try:
            with contextlib.closing(connect_read_only(self._run.ledger)) as connection:
                values = (self._clock() - _RATE_S, since or 0.0, self._run.known_id or "")
                found = connection.execute(_CALLS, values).fetchall()
        except (sqlite3.Error, InputError) as error:
            return {"": LedgerProblem(f"The ledger cannot be read: {error}")}
        return {
            role: RoleCalls(
                calls=calls, spend_usd=None if unknown else spend, per_minute=recent or 0, this_stage=of_stage
            )
            for role, calls, spend, unknown, recent, of_stage in found
        }


def _stage(name: str, number: int | None, folder: Path, marker: str) -> StageProgress:
    done = folder / marker
    state: Literal["missing", "started", "done"]
    state = "done" if done.is_file() else "started" if folder.is_dir() and any(folder.iterdir()) else "missing"
    return StageProgress(
        stage=name,
        round=number,
        state=state,
        since=_time(folder / "inputs.json"),
        step=_last_step(folder / "metrics.jsonl") if state == "started" else None,
    )


def _last_step(path: Path) -> dict[str, float] | None:
    """Step, epoch and loss of the last line of a training's metrics."""
    if not path.is_file():  # a pipe, at which reading would wait
        return None
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            line = file.read().splitlines()[-1]
        row = json.loads(line)
    except (OSError, ValueError, IndexError, RecursionError):
        return None
    wanted = ("step", "epoch", "loss")
    return (
        {name: row[name] for name in wanted if isinstance(row.get(name), int | float)}
        if isinstance(row, dict)
        else None
    )


def _limits(recipe: dict[str, object], stages: list[StageProgress]) -> dict[str, float]:
    feedback, strong = recipe.get("feedback"), recipe.get("strong")
    limits: dict[str, float] = {}
    if isinstance(strong, dict) and isinstance(strong.get("budget_usd"), int | float):
        limits["budget_usd"] = strong["budget_usd"]
    under_way = [stage.stage for stage in stages if stage.state == "started"]
    if isinstance(feedback, dict) and under_way[-1:] == ["feedback"]:
        queries, samples = feedback.get("queries"), feedback.get("samples")
        if isinstance(queries, int) and isinstance(samples, int):
            limits["drafts"] = queries * samples
    return limits


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
