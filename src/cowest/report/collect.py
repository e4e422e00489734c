"""The contents of a run's folder so far; broken parts are reported, not fatal."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field

from cowest import runs
from cowest.auditing import AUDIT
from cowest.errors import CowestError
from cowest.ledger import Ledger
from cowest.records import (
    AuditResults,
    EvaluationResults,
    ExplanationSummary,
    Failure,
    FeedbackSummary,
    GateResults,
    Part,
    TrainingRecord,
    read_rows,
)
from cowest.records.base import Document
from cowest.report.engines import engines_now
from cowest.types import omitted_if_none

Value = TypeVar("Value")
Record = TypeVar("Record", bound=Document)

MAX_FAILURES = 5
"""How many failures of a round are quoted."""


class StageState(Part):
    """The state of one stage."""

    stage: Literal["sft", "feedback", "align", "evaluate"]
    round: int | None
    state: Literal["done", "started", "missing"]
    wall_s: float | None = None


class RoundState(Part):
    """The results of one round's stages; None where they are not finished. `failures` are the first few."""

    round: int
    feedback: FeedbackSummary | None
    failures: list[Failure]
    align: TrainingRecord | None


class SharedLedger(Part):
    """A ledger that other runs may use too: its path, and the totals of all its replies."""

    path: str
    num_replies: int
    cost_usd: float


class Spend(Part):
    """The spend of this run according to its ledger, by role.

    Attributes:
        spend_usd: of the replies; None where the price of one is unknown.
        possibly_billed_usd: the most that calls may have cost for which no reply says what they did cost: cut off by a
            kill, failed after the endpoint worked on them, or answered without a cost. They count towards a budget.
    """

    spend_usd: dict[str, float | None] | None = None
    possibly_billed_usd: dict[str, float] | None = omitted_if_none()
    calls: dict[str, int] | None = None
    shared_ledger: SharedLedger | None = None


class RunState(Spend):
    """The state of a run: the output of `cowest show --json`.

    Attributes:
        run: its folder.
        stages: in order.
        sft, results, gate: None where they are not finished.
        audit: None where nobody asked for one.
        explanations: that the strong model wrote for SFT; None where there are none yet.
        engines: that run now, a line for each role.
        recipe: as text.
        unreadable: files that could not be read, and why.
    """

    run: str
    stages: list[StageState]
    sft: TrainingRecord | None
    explanations: ExplanationSummary | None = omitted_if_none()
    rounds: list[RoundState]
    results: EvaluationResults | None
    gate: GateResults | None
    audit: AuditResults | None = omitted_if_none()
    engines: list[str] | None = omitted_if_none()
    recipe: str | None
    unreadable: list[str] = Field(default_factory=list)


def collect(folder: str | Path) -> RunState:
    """Reads the state of a run.

    Raises:
        InputError: there is no such folder.
    """
    run = runs.existing(folder)
    reader = _Reader()
    sft = reader.document(run.sft / "training.json", TrainingRecord)
    rounds = [_round_state(run, number, reader) for number in run.rounds()]
    results = reader.document(run.evaluate / "results.json", EvaluationResults)
    return RunState(
        run=str(run.path),
        stages=_stage_states(run, sft, rounds, results),
        sft=sft,
        explanations=reader.document(run.explanations / "summary.json", ExplanationSummary),
        rounds=rounds,
        results=results,
        gate=reader.document(run.gate / "gate.json", GateResults),
        audit=reader.document(run.evaluate / AUDIT, AuditResults),
        engines=engines_now(run) or None,
        recipe=run.recipe.read_text(encoding="utf-8", errors="replace") if run.recipe.is_file() else None,
        **dict(_spend(run, reader)),
        unreadable=reader.unreadable,
    )


class _Reader:
    """Reads files and collects the errors."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def document(self, path: Path, record: type[Record]) -> Record | None:
        return self.attempt(path, lambda: record.read(path)) if path.is_file() else None

    def attempt(self, path: Path, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except (CowestError, OSError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            self.unreadable.append(f"{path}: {(str(error) or type(error).__name__).splitlines()[0]}")
            return None


def _round_state(run: runs.RunFolder, number: int, reader: _Reader) -> RoundState:
    failures = run.feedback(number) / "failures.jsonl"

    def first_failures() -> list[Failure]:
        rows = read_rows(failures, Failure, "failure")
        return [row for _, row in zip(range(MAX_FAILURES), rows, strict=False)]

    return RoundState(
        round=number,
        feedback=reader.document(run.feedback(number) / "summary.json", FeedbackSummary),
        failures=(reader.attempt(failures, first_failures) if failures.is_file() else None) or [],
        align=reader.document(run.align(number) / "training.json", TrainingRecord),
    )


def _spend(run: runs.RunFolder, reader: _Reader) -> Spend:
    path = run.ledger
    if not path.is_file():
        if path.is_symlink():
            reader.unreadable.append(f"{path}: the shared ledger {str(path.readlink())!r} does not exist")
        return Spend()

    if run.known_id is None:
        reader.unreadable.append(f"{run.path / '.run-id'}: it is missing, so which calls are this run's is not known")

    def read() -> Spend:
        with Ledger(path, run.known_id or "", read_only=True) as ledger:
            calls = ledger.counts()
            shared = None
            if path.is_symlink():
                num_replies, cost_usd = ledger.totals()
                shared = SharedLedger(path=str(path.readlink()), num_replies=num_replies, cost_usd=cost_usd)
            return Spend(
                spend_usd={role: ledger.spend_usd(role) if ledger.is_spend_known(role) else None for role in calls},
                possibly_billed_usd=ledger.bookings.possibly_billed_usd() or None,
                calls=calls,
                shared_ledger=shared,
            )

    return reader.attempt(path, read) or Spend()


def _stage_states(
    run: runs.RunFolder, sft: TrainingRecord | None, rounds: list[RoundState], results: EvaluationResults | None
) -> list[StageState]:
    stages = [_stage_state("sft", None, run.sft, sft)]
    for each in rounds:
        stages.append(_stage_state("feedback", each.round, run.feedback(each.round), each.feedback))
        stages.append(_stage_state("align", each.round, run.align(each.round), each.align))
    return [*stages, _stage_state("evaluate", None, run.evaluate, results)]


def _stage_state(
    name: Literal["sft", "feedback", "align", "evaluate"],
    number: int | None,
    folder: Path,
    record: TrainingRecord | FeedbackSummary | EvaluationResults | None,
) -> StageState:
    if record is not None:
        return StageState(stage=name, round=number, state="done", wall_s=record.wall_s)
    started = folder.is_dir() and any(folder.iterdir())
    return StageState(stage=name, round=number, state="started" if started else "missing")
