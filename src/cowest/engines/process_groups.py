"""Whether anything of a process group still runs."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def group_lives(group: int) -> bool:
    """Whether a process of the group runs; one that has ended and that nobody has asked after does not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    states = list(_states(group))
    return not states or any(state not in "ZX" for state in states)


def _states(group: int) -> Iterator[str]:
    """The states of the group's processes, as /proc says; none where there is no /proc."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # PID (NAME) STATE PARENT GROUP ..., where the name may hold anything
            state, _, its_group = file.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group:
                yield state
