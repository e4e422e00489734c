"""One endpoint in several processes that accept from the same socket, for more exchanges a second than one can take."""

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from prometheus_client.multiprocess import mark_process_dead

from cowest.errors import CowestError, InputError
from cowest.recipe import Recipe
from cowest.serving.running import listen, url_of

_LOG = logging.getLogger("cowest.serving")
_AFTER_DRAIN_S = 5
"""Seconds that a worker gets after `serve.drain_s` before it is killed."""
_BEFORE_RESTART_S = 1
_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class WorkerPlace(NamedTuple):
    """What a worker is started with: the numbers of its open files.

    Attributes:
        listener: the socket that all workers accept from.
        channel: its end of a socket pair. It writes a byte when it serves, and stops when the other end is closed.
    """

    listener: int
    channel: int

    @classmethod
    def parse(cls, text: str) -> "WorkerPlace":
        """Reads `LISTENER,CHANNEL`."""
        listener, channel = text.split(",")
        return cls(int(listener), int(channel))

    def take(self) -> socket.socket:
        """The listening socket."""
        return socket.socket(fileno=self.listener)

    def serving(self) -> None:
        """Reports that this worker serves, and has it stop once the process that started it is gone."""
        channel = socket.socket(fileno=self.channel)
        channel.sendall(b"\n")

        def wait() -> None:
            with contextlib.suppress(OSError):
                channel.recv(1)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, daemon=True).start()


def check_workers(recipe: Recipe, num_workers: int) -> None:
    """Refuses what several processes cannot share.

    Raises:
        InputError: fewer than one worker, or a model whose weights each would load.
    """
    if num_workers < 1:
        raise InputError(f"--workers is {num_workers}; it must be 1 or more.")
    for role, model in {"weak": recipe.weak, "strong": recipe.strong}.items():
        if num_workers > 1 and model.provider == "local":
            raise InputError(
                f"--workers {num_workers} would load the weights of {role}.model {model.model!r} in each process. "
                f"Serve that model on an endpoint, such as vLLM, and name it with {role}.model=openai/NAME and "
                f"{role}.base_url, or serve with --workers 1."
            )


def shares(recipe: Recipe, num_workers: int) -> list[str]:
    """Overrides that give one of the workers its share of each limit; numbers are rounded up, rates are not."""
    numbers: dict[str, int | None] = {
        "serve.max_concurrency": recipe.serve.max_concurrency,
        "serve.max_connections": recipe.serve.max_connections,
    }
    rates: dict[str, float | None] = {}
    for role, model in {"weak": recipe.weak, "strong": recipe.strong}.items():
        numbers[f"{role}.max_concurrency"] = model.max_concurrency
        rates |= {f"{role}.{name}": getattr(model, name) for name in ("requests_per_minute", "tokens_per_minute")}
    return [
        *(f"{key}={math.ceil(number / num_workers)}" for key, number in numbers.items() if number is not None),
        *(f"{key}={rate / num_workers!r}" for key, rate in rates.items() if rate is not None),
    ]


def serve_with_workers(
    command: Sequence[str],
    num_workers: int,
    *,
    host: str,
    port: int,
    drain_s: float,
    on_start: Callable[[str], None] = lambda url: None,
) -> None:
    """Serves with so many processes until SIGTERM or Ctrl-C.

    A worker that dies is started again. One that cannot start ends all of them: the next would fail as well.

    Args:
        command: starts a worker; `--worker LISTENER,CHANNEL` is added.
        drain_s: seconds that requests in progress get to finish.
        on_start: called with the URL once one worker serves.

    Raises:
        InputError: host and port cannot be listened at.
        CowestError: a worker could not start; it has said why.
        KeyboardInterrupt: after Ctrl-C, when all have stopped.
    """
    with listen(host, port) as listener, tempfile.TemporaryDirectory(prefix="cowest-metrics-") as metrics:
        # prometheus_client adds up the metrics of all processes that share this folder.
        environment = os.environ | {_METRICS_VARIABLE: metrics}
        workers = _Workers(command, environment, listener, drain_s, lambda: on_start(url_of(host, listener)))
        stopped_by = asyncio.run(workers.run(num_workers))
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


class _Workers:
    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        listener: socket.socket,
        drain_s: float,
        on_start: Callable[[], None],
    ) -> None:
        self._command = command
        self._environment = environment
        self._listener = listener
        self._drain_s = drain_s
        self._on_start = on_start
        self._some_serve = False
        self._stopping = asyncio.Event()
        self._stopped_by: signal.Signals | None = None

    async def run(self, num_workers: int) -> signal.Signals | None:
        """Keeps the workers alive until a signal comes; returns the signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop, number)
        failures = await asyncio.gather(*(self._keep_one() for _ in range(num_workers)))
        for status in failures:
            if status is not None:
                raise CowestError(f"A worker could not start (status {status}); what it said stands above.")
        return self._stopped_by

    def _stop(self, number: signal.Signals) -> None:
        self._stopped_by = number
        self._stopping.set()

    async def _keep_one(self) -> int | None:
        """One worker, again where it dies; returns the status of one that could not start."""
        while not self._stopping.is_set():
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    files = (self._listener.fileno(), theirs.fileno())
                    process = await asyncio.create_subprocess_exec(
                        *self._command,
                        "--worker",
                        ",".join(map(str, files)),
                        pass_fds=files,
                        env=self._environment,
                        stdin=asyncio.subprocess.DEVNULL,
                        start_new_session=True,  # Ctrl-C in a terminal reaches this process alone, which stops them
                    )
                serves = await self._serves(ours)
                ended = asyncio.create_task(process.wait())
                stopping = asyncio.create_task(self._stopping.wait())
                await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if self._stopping.is_set():
                    await self._end(process, ended)
                    return None
                mark_process_dead(process.pid, self._environment[_METRICS_VARIABLE])  # type: ignore[no-untyped-call]
            if not serves:
                self._stopping.set()
                return await ended
            _LOG.error("worker %d ended with status %d and is started again", process.pid, await ended)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _BEFORE_RESTART_S)
        return None

    async def _serves(self, channel: socket.socket) -> bool:
        """Waits until a worker serves; False where it died first, or the signal to stop came."""
        channel.setblocking(False)
        report = asyncio.create_task(asyncio.get_running_loop().sock_recv(channel, 1))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((report, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not report.done():
            report.cancel()
            return False
        serves = not report.exception() and bool(report.result())
        if serves and not self._some_serve:
            self._some_serve = True
            self._on_start()
        return serves

    async def _end(self, process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        _, running = await asyncio.wait((ended,), timeout=self._drain_s + _AFTER_DRAIN_S)
        if running:
            _LOG.error("worker %d did not stop and is killed", process.pid)
            process.kill()
            await ended
