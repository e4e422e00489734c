"""Everything a run's folder says, as one JSON-able dict; parts that are missing or broken are named, not fatal."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from cowest import runs
from cowest.errors import CowestError
from cowest.ledger import Ledger
from cowest.report.gate_record import Gate
from cowest.report.records import Feedback, Results, Training

Value = TypeVar("Value")

MAX_FAILURES = 5
"""How many failures of a round are quoted."""


def collect(folder: str | Path) -> dict[str, Any]:
    """Reads what a run has so far.

    Returns:
        `run`; `stages`, in order, each with `stage`, `round` and `state` ("done", "started" or "missing"); `sft` and
        `rounds` (training.json and summary.json of each); `results`; `gate` (gate.json; None without one); `spend_usd`
        and `calls` by role, what this run paid for by its ledger (None without one; a role's spend is None where the
        price of a reply is unknown); `shared_ledger`, where other runs may have paid too: its path, and the replies in
        it; `recipe` as text; `unreadable`, the parts that could not be read and why.

    Raises:
        InputError: there is no such folder.
    """
    run = runs.existing(folder)
    unreadable: list[str] = []
    recipe = run.recipe.read_text(encoding="utf-8", errors="replace") if run.recipe.is_file() else None
    rounds = [_round(run, number, unreadable) for number in range(1, _num_rounds(run, recipe) + 1)]
    collected: dict[str, Any] = {
        "run": str(run.path),
        "stages": [],
        "sft": _read(run.sft / "training.json", Training, unreadable),
        "rounds": rounds,
        "results": _read(run.evaluate / "results.json", Results, unreadable),
        "gate": _read(run.gate / "gate.json", Gate, unreadable),
        **_spend(run, unreadable),
        "recipe": recipe,
        "unreadable": unreadable,
    }
    collected["stages"] = _stages(run, collected)
    return collected


def _round(run: runs.RunFolder, number: int, unreadable: list[str]) -> dict[str, Any]:
    return {
        "round": number,
        "feedback": _read(run.feedback(number) / "summary.json", Feedback, unreadable),
        "failures": _failures(run.feedback(number) / "failures.jsonl", unreadable),
        "align": _read(run.align(number) / "training.json", Training, unreadable),
    }


def _read(path: Path, record: type[BaseModel], unreadable: list[str]) -> dict[str, Any] | None:
    if not path.is_file():
        return None

    def read() -> dict[str, Any]:
        document = json.loads(path.read_text(encoding="utf-8"))
        record.model_validate(document)
        return dict(document)

    return _tolerant(path, read, unreadable)


def _failures(path: Path, unreadable: list[str]) -> list[dict[str, Any]]:
    if not path.is_file():
        return []

    def read() -> list[dict[str, Any]]:
        rows = runs.read_jsonl(path)
        return [row for _, row in zip(range(MAX_FAILURES), rows, strict=False)]

    return _tolerant(path, read, unreadable) or []


def _spend(run: runs.RunFolder, unreadable: list[str]) -> dict[str, Any]:
    nothing = {"spend_usd": None, "calls": None, "shared_ledger": None}
    path = run.ledger
    if not path.is_file():
        if path.is_symlink():
            unreadable.append(f"{path}: the shared ledger {str(path.readlink())!r} is not there")
        return nothing

    def read() -> dict[str, Any]:
        with Ledger(path, run.id) as ledger:
            calls = ledger.counts()
            spent = {role: ledger.spend_usd(role) if ledger.is_spend_known(role) else None for role in calls}
            shared = None
            if path.is_symlink():
                num_replies, cost_usd = ledger.totals()
                shared = {"path": str(path.readlink()), "num_replies": num_replies, "cost_usd": cost_usd}
            return {"spend_usd": spent, "calls": calls, "shared_ledger": shared}

    return _tolerant(path, read, unreadable) or nothing


def _tolerant(path: Path, read: Callable[[], Value], unreadable: list[str]) -> Value | None:
    try:
        return read()
    except (CowestError, OSError, ValueError, TypeError) as error:
        unreadable.append(f"{path}: {str(error).splitlines()[0]}")
        return None


def _num_rounds(run: runs.RunFolder, recipe: str | None) -> int:
    on_disk = [int(match[1]) for each in run.path.iterdir() if (match := re.fullmatch(r"round-(\d+)", each.name))]
    try:
        planned = yaml.safe_load(recipe or "").get("rounds", 1)
    except (yaml.YAMLError, AttributeError):
        planned = 1
    return max([planned if isinstance(planned, int) else 1, *on_disk])


def _stages(run: runs.RunFolder, collected: dict[str, Any]) -> list[dict[str, Any]]:
    stages = [_stage("sft", None, run.sft, collected["sft"])]
    for each in collected["rounds"]:
        number = each["round"]
        stages.append(_stage("feedback", number, run.feedback(number), each["feedback"]))
        stages.append(_stage("align", number, run.align(number), each["align"]))
    return [*stages, _stage("evaluate", None, run.evaluate, collected["results"])]


def _stage(name: str, number: int | None, folder: Path, facts: dict[str, Any] | None) -> dict[str, Any]:
    state = "done" if facts is not None else "started" if folder.is_dir() and any(folder.iterdir()) else "missing"
    return {"stage": name, "round": number, "state": state, "wall_s": (facts or {}).get("wall_s")}
