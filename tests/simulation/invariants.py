"""What must hold at the end of every process, and at the end of a run."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.simulation import algorithm
from tests.simulation import world as said
from tests.simulation.ledger_rows import LedgerRows
from tests.simulation.plan import Plan
from tests.simulation.processes import ALONE, PAIR
from tests.simulation.server import Charge, Server
from tests.simulation.time_and_threads import SLOWEST_WRITE_S

_ROUNDING_USD = 1e-9
_COMPARED = {
    "feedback": ("pairs.jsonl", "graded.jsonl", "failures.jsonl", "null_control.jsonl"),
    "evaluate": (),
}


class Violated(AssertionError):
    """An invariant does not hold."""


def check_process(
    server: Server, rows: LedgerRows, process: int, ended_at: float, cap_usd: float | None, *, killed: bool
) -> None:
    """Checks a process that has ended: money, replies, calls that are paid again."""
    if cap_usd is not None and server.billed_usd > cap_usd + _ROUNDING_USD:
        raise Violated(f"the server billed ${server.billed_usd:.4f}, and the cap is ${cap_usd:.4f}")
    if not server.plan.finds_concurrency and server.most_in_flight > server.plan.max_concurrency:
        raise Violated(f"{server.most_in_flight} calls in flight, and max_concurrency is {server.plan.max_concurrency}")
    grace_s = 4 * SLOWEST_WRITE_S if killed else 0.0
    in_flight: Counter[str] = Counter()
    for charge in server.charges:
        if charge.process == process and charge.is_reply and _is_in_flight(charge, ended_at, grace_s):
            charge.is_excused = True
            in_flight[charge.digest] += 1
    for digest, count in in_flight.items():
        if killed and count > rows.left_open[digest] + rows.kept[digest]:
            raise Violated(f"{count} calls were in flight and {rows.left_open[digest]} in the ledger: {digest[:200]}")
    replies = Counter(charge.digest for charge in server.charges if charge.is_reply and not charge.is_excused)
    for digest, count in replies.items():
        if count > rows.kept[digest]:
            raise Violated(f"{count} replies were paid for and {rows.kept[digest]} are kept: {digest[:200]}")


def check_feedback(plan: Plan, out: Path, reference: Mapping[str, bytes] | None) -> None:
    """Checks the files of a feedback that ended well.

    Args:
        reference: the files of the same feedback without faults, kills and limits; None for that one itself.
    """
    files = {"pairs.jsonl", "graded.jsonl", "failures.jsonl", "summary.json"}
    _check_names(out, files | ({"null_control.jsonl"} if plan.world.null_control else set()))
    pairs = [
        (row["example_id"], row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in _rows(out / "pairs.jsonl")
    ]
    failed = [row["example_id"] for row in _rows(out / "failures.jsonl")]
    if plan.is_bounded:
        if (expected := algorithm.expected_failures(plan.world)) != failed:
            raise Violated(f"failed: {failed}, and it should be {expected}")
        if (wanted := algorithm.expected_pairs(plan.world)) != pairs:
            raise Violated(f"the pairs are {pairs}, and by Algorithm 1 {wanted}")
        _check_same(out, reference, _COMPARED["feedback"])
        return
    for example_id, chosen, rejected in pairs:
        query = plan.world.queries[int(example_id.removeprefix("example-"))]
        alone, better, worse = (
            said.score(plan.world, query, text)
            for text in (
                said.solo(plan.world, query),
                said.refined(plan.world, query, chosen),
                said.refined(plan.world, query, rejected),
            )
        )
        if alone is None or better is None or worse is None or not worse <= alone < better:
            raise Violated(f"no pair by Algorithm 1: {example_id}, {chosen!r}, {rejected!r}")


def check_evaluation(plan: Plan, out: Path, reference: Mapping[str, bytes] | None) -> None:
    """Checks the files of an evaluation that ended well."""
    _check_names(out, {"results.json", f"predictions/{ALONE}.jsonl", f"predictions/{PAIR}.jsonl"})
    for name in (ALONE, PAIR):
        rows = _rows(out / "predictions" / f"{name}.jsonl")
        if [row["id"] for row in rows] != [f"example-{position}" for position in range(len(plan.world.queries))]:
            raise Violated(f"the rows of {name} are not those of the examples in their order")
        for query, row in zip(plan.world.queries, rows, strict=True):
            draft = said.draft(plan.world, query, 0)
            expected = said.refined(plan.world, query, draft)
            if row.get("error") and not plan.is_bounded:
                continue
            if row.get("error") or row["output"] != expected:
                raise Violated(f"{name} {row['id']}: {row.get('error') or row['output']!r}, not {expected!r}")


def _is_in_flight(charge: Charge, ended_at: float, grace_s: float) -> bool:
    return charge.delivered_at is None or charge.delivered_at > ended_at - grace_s


def _check_names(out: Path, expected: set[str]) -> None:
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    if found != expected:
        raise Violated(f"missing {sorted(expected - found)}, stray {sorted(found - expected)}")


def _check_same(out: Path, reference: Mapping[str, bytes] | None, names: tuple[str, ...]) -> None:
    for name in names if reference is not None else ():
        found = (out / name).read_bytes() if (out / name).exists() else b""
        if reference is not None and found != reference.get(name, b""):
            raise Violated(f"{name} depends on what happened on the way:\n{found!r}\n{reference.get(name)!r}")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
