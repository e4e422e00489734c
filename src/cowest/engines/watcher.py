"""Runs a command until it ends, or until whoever started this is gone: then it ends it, with all that it has started.

A script of the standard library alone, which is started so that nothing else need be loaded:
`python -I -S watcher.py SECONDS COMMAND...`, in a session of its own, with a pipe from its parent as standard input.
The kernel closes that pipe however the parent ends. The command gets SIGTERM, and after SECONDS its whole process group
gets SIGKILL.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from types import FrameType

_LOOK_EVERY_S = 0.1
_PR_SET_PDEATHSIG = 1

_asked_to_end = False


def _ask_to_end(number: int, frame: FrameType | None) -> None:
    global _asked_to_end
    _asked_to_end = True


def main(arguments: list[str]) -> int:
    """Runs the command; the group's SIGKILL ends this process too."""
    grace_s, command, parent = float(arguments[0]), arguments[1:], os.getppid()
    # Functions, since a signal that is ignored would be ignored in the command too.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ask_to_end)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_this_process)  # noqa: PLW1509 (one thread)
    except OSError as error:
        print(f"[cowest] {command[0]!r} cannot be started: {error.strerror}", flush=True)
        return 127
    while child.poll() is None:
        # Another child of the parent may hold a copy of the pipe, so its death is looked for too.
        if _asked_to_end or _is_closed(0) or os.getppid() != parent:
            child.terminate()
            try:
                child.wait(grace_s)
            except subprocess.TimeoutExpired:
                print(f"[cowest] killed: it had not ended {grace_s:g} s after SIGTERM", flush=True)
            break
    else:
        status = child.returncode
        how = f"signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"status {status}"
        print(f"[cowest] it ended by itself with {how}", flush=True)
    os.killpg(0, signal.SIGKILL)
    return 1


def _end_with_this_process() -> None:
    """Has Linux kill the command when this process is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_closed(pipe: int) -> bool:
    """Whether the other end is closed; waits a moment for that."""
    readable, _, _ = select.select([pipe], [], [], _LOOK_EVERY_S)
    return bool(readable) and not os.read(pipe, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
