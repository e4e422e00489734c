"""The engines that a run has started and that run now, in words."""

import os
import platform

from cowest import runs, words
from cowest.errors import CowestError
from cowest.records import RunningEngine, RunningEngines


def engines_now(run: runs.RunFolder) -> list[str]:
    """A line for each role: "weak: vllm at 127.0.0.1:8001, model 8b, adapter 3f2a91c0". Empty where none runs."""
    if not run.engines_now.is_file():
        return []
    try:
        found = RunningEngines.read(run.engines_now)
    except CowestError:
        return []
    is_here = found.host == platform.node()
    if is_here and not _is_alive(found.pid):
        return []
    where = "" if is_here else f", as {found.host} says"
    return [f"{_line(engine)}{where}" for engine in found.engines]


def _line(engine: RunningEngine) -> str:
    if engine.program is None:
        return f"{engine.what}: {words.plural(len(engine.places), 'engine')}, on {'; '.join(engine.places)}"
    model = [] if engine.model is None else [f"model {engine.model.rstrip('/').rpartition('/')[2]}"]
    names = [name.removeprefix("adapter-")[:8] for name in engine.adapters]
    adapters = [f"adapter{'s' if len(names) > 1 else ''} {', '.join(names)}"] if names else []
    return ", ".join([f"{engine.what}: {engine.program} at {', '.join(engine.places)}", *model, *adapters])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
