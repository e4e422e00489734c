"""One seed from its plan to its end: processes that work, are killed and start again, each of them checked."""

import asyncio
import contextlib
import functools
import logging
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from unittest import mock

from cowest.errors import BudgetError, EndpointError
from tests.simulation import processes, serving
from tests.simulation.disk import simulated_disk
from tests.simulation.invariants import Violated, check_evaluation, check_feedback, check_process
from tests.simulation.ledger_rows import rows_of
from tests.simulation.loop import SimulatedPolicy
from tests.simulation.machine import Hang, Machine
from tests.simulation.network import simulated_network
from tests.simulation.plan import Plan, World, calm, plan_of
from tests.simulation.server import Server
from tests.simulation.time_and_threads import simulated_process

MOST_PROCESSES = 20
AMPLE_USD = 100.0


@dataclass
class Outcome:
    """What became of a seed.

    Attributes:
        violation: what does not hold; None where everything does.
        ends: how each process ended.
        trace: what happened.
        files: those that are compared with a calm run, by name.
    """

    violation: str | None = None
    ends: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def try_seed(seed: int) -> Outcome:
    """Runs what a seed decides."""
    return try_whole(plan_of(seed))


def try_whole(plan: Plan) -> Outcome:
    """Runs a plan, and compares its files with those of a calm run."""
    try:
        reference = None if plan.work == "serve" else reference_of(plan.world, plan.work)
    except Violated as violation:
        return Outcome(str(violation))
    return try_plan(plan, reference)


@functools.cache
def reference_of(world: World, work: str) -> dict[str, bytes]:
    """The files of a run without faults, kills and limits."""
    outcome = try_plan(calm(world, work), None)
    if outcome.violation is not None:
        raise Violated(f"even without faults: {outcome.violation}")
    return outcome.files


def try_plan(plan: Plan, reference: dict[str, bytes] | None) -> Outcome:
    """Runs a plan."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_memory()) as root:
        machine = Machine(Random(f"machine {plan.seed}"), Path(root), plan.in_order, trace=outcome.trace)
        # Coroutines of a killed process do not get to their end, and need not say so.
        silent = mock.patch.object(sys, "unraisablehook")
        try:
            with silent:
                _run_until_done(plan, machine, outcome, reference)
        except Violated as violation:
            outcome.violation = str(violation)
        except (Exception, Hang):
            outcome.violation = traceback.format_exc()
    return outcome


def _run_until_done(plan: Plan, machine: Machine, outcome: Outcome, reference: dict[str, bytes] | None) -> None:
    random, server = Random(f"restarts {plan.seed}"), Server(plan)
    cap_usd = {"none": None, "ample": AMPLE_USD, "tight": 0.05 * 2 ** random.uniform(0, 5)}[plan.budget]
    for process in range(MOST_PROCESSES):
        machine.wall_offset_s += random.choice((0.0, 0.0, -3600.0, 5.0))  # somebody sets the clock
        machine.boot(plan.kills[process] if process < len(plan.kills) else None, random.choice((0.0, 1.0, 600.0)))
        if random.random() < 0.05:
            machine.note("somebody deletes the run's id")
            (machine.folder / "run" / ".run-id").unlink(missing_ok=True)
        end = _live(plan, machine, server, cap_usd, random)
        outcome.ends.append(end)
        ended_at, number = machine.now(), machine.num_processes
        machine.note(f"--- process {number} ended: {end}")
        machine.bury()
        if plan.work != "serve":
            rows = rows_of(machine.folder / "run" / "ledger.sqlite")
            check_process(server, rows, number, ended_at, cap_usd, killed=end == "killed")
        elif end == "done":
            outcome.trace.append(f"statuses {dict(server.statuses)}")
            return
        if end == "done":
            _check_files(plan, machine.folder / "run", reference)
            outcome.files = _files(machine.folder / "run")
            outcome.trace.append(f"statuses {dict(server.statuses)}")
            return
        if end == "budget":
            cap_usd = (cap_usd or 0.0) * random.uniform(1.2, 2.0) + 0.1
        if end == "endpoint":
            if plan.is_bounded:
                raise Violated("the endpoint was given up, and every call would have succeeded in the end")
            server.is_faulty = False
    raise Violated(f"not done after {MOST_PROCESSES} processes: {outcome.ends}")


def _live(plan: Plan, machine: Machine, server: Server, cap_usd: float | None, random: Random) -> str:
    """Runs one process; how it ended."""
    machine.folder.mkdir(exist_ok=True)
    try:
        with _simulated(machine, server):
            if plan.work == "serve":
                serving.serve(plan, machine.folder, server, random)
            else:
                processes.work(plan, machine.folder, cap_usd, random)
        end = "done"
    except BudgetError as error:
        machine.note(str(error))
        end = "budget"
    except EndpointError as error:
        machine.note(str(error))
        end = "endpoint"
    except asyncio.CancelledError:
        end = "interrupted"
    except BaseException:
        if not machine.dead:
            raise
    return "killed" if machine.dead else end


@contextlib.contextmanager
def _simulated(machine: Machine, server: Server) -> Iterator[None]:
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(SimulatedPolicy(machine))
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(logging.disable, logging.root.manager.disable)
            logging.disable(logging.CRITICAL)
            stack.enter_context(simulated_disk(machine))
            stack.enter_context(simulated_process(machine))
            stack.enter_context(simulated_network(machine, server))
            yield
    finally:
        asyncio.set_event_loop_policy(before)


def _check_files(plan: Plan, run: Path, reference: dict[str, bytes] | None) -> None:
    names = {path.name for path in run.iterdir()}
    expected = {".lock", ".run-id", "ledger.sqlite", "evaluate" if plan.work == "evaluate" else "round-1"}
    if names != expected:
        raise Violated(f"missing {sorted(expected - names)}, stray {sorted(names - expected)} in the run's folder")
    if plan.work == "evaluate":
        check_evaluation(plan, run / "evaluate", reference)
    else:
        check_feedback(plan, run / "round-1" / "feedback", reference)


def _files(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.rglob("*.jsonl")}


def _memory() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
