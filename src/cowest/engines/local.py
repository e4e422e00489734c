"""A server that is a process on this machine: started, watched until it is healthy, and ended with all its own."""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from cowest import progress
from cowest.characters import printable
from cowest.engines import watcher
from cowest.engines.command import HOST, command_line, environment
from cowest.engines.config import EngineConfig
from cowest.engines.deployment import Adapter, Deployment
from cowest.engines.ports import free_port
from cowest.engines.probing import ask
from cowest.engines.process_groups import group_lives
from cowest.errors import EndpointError, InputError

_LOOK_EVERY_S = 0.1
_SAY_EVERY_S = 4.0
_PORTS_TRIED = 3
_LAST_LINES = 12
_MAX_LINE = 300
_KILL_PATIENCE_S = 5.0
_LOADING_S = 120.0
_PORT_TAKEN = re.compile(r"address already in use|EADDRINUSE|errno 98\b", re.IGNORECASE)


class LocalServer:
    """A process on this machine, which never outlives this one.

    Args:
        config: the recipe's section.
        deployment: what it serves.
        adapters: that are there from the start.
        gpus: that it uses; none leaves the choice to the engine.
        log: gets what it says.
        what: its name in messages, e.g. "weak, GPU 0".
    """

    def __init__(
        self,
        config: EngineConfig,
        deployment: Deployment,
        adapters: Sequence[Adapter],
        *,
        gpus: Sequence[str],
        log: Path,
        what: str,
    ) -> None:
        self.config = config
        self.deployment = deployment
        self.adapters = tuple(adapters)
        self.gpus = tuple(gpus)
        self.log = log
        self.what = what
        self.key = ""
        self.url = ""
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0

    def start(self, cancelled: threading.Event) -> None:
        """See `Server.start`; a port that another process takes at the last moment is replaced by another."""
        for attempt in range(_PORTS_TRIED):
            self._launch()
            try:
                self._wait(cancelled)
                self._check()
            except _PortTaken as error:
                self.stop()
                if attempt == _PORTS_TRIED - 1:
                    raise EndpointError(f"{error} Tried {_PORTS_TRIED} ports. Give free ones as vllm.ports.") from None
                progress.say(f"{self.what}: port {self.port} was taken; trying another", about=f"{self.what} port")
            except BaseException:
                self.stop()
                raise
            else:
                return

    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def load(self, adapter: Adapter) -> None:
        """Loads an adapter through /v1/load_lora_adapter."""
        body = {"lora_name": adapter.name, "lora_path": str(adapter.folder.resolve())}
        answer = ask(self.port, "/v1/load_lora_adapter", key=self.key, body=body, patience_s=_LOADING_S)
        if answer is None or answer.status != 200:
            said = "no answer" if answer is None else f"status {answer.status}: {printable(answer.text)[:_MAX_LINE]}"
            raise EndpointError(
                f"{self.what} did not load the adapter {str(adapter.folder)!r} ({said}). Leave out "
                f"vllm.load_at_runtime, so that servers are started with their adapters.{self._says()}"
            )
        self.adapters = (*self.adapters, adapter)

    def stop(self) -> None:
        """Ends it with all its processes: SIGTERM, then SIGKILL of the group."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # the watcher ends the server
        try:
            process.wait(self.config.stop_timeout_s + _KILL_PATIENCE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        deadline = time.monotonic() + _KILL_PATIENCE_S
        while group_lives(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)

    def last_lines(self) -> str:
        """What it said since it was started, at most a dozen lines."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_from, size - 16_384))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        if self.key:
            text = text.replace(self.key, "[key]")
        lines = [printable(line.rstrip())[:_MAX_LINE] for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-_LAST_LINES:])

    def died(self) -> EndpointError:
        """The error for a server that ended by itself."""
        return EndpointError(f"{self.what} ended ({self._serves}).{self._says()}")

    @property
    def _serves(self) -> str:
        return f"{self.config.command[0]} for {self.deployment.model}"

    def _says(self) -> str:
        said = self.last_lines()
        return f" Its last lines, from {str(self.log)!r}:\n{said}" if said else f" It said nothing ({str(self.log)!r})."

    def _launch(self) -> None:
        self.port = free_port(self.config.ports)
        self.url = f"http://{HOST}:{self.port}/v1"
        self.key = secrets.token_urlsafe(24)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = command_line(
            self.config,
            self.deployment,
            self.adapters,
            port=self.port,
            num_gpus=len(self.gpus),
            chat_template=self._chat_template(),
        )
        watched = [sys.executable, "-I", "-S", watcher.__file__, str(self.config.stop_timeout_s), *command]
        # For this user alone, as all files with texts: some engines print the prompts.
        opened = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(opened, "ab") as log:
            log.write(f"[cowest] {self.what}: {' '.join(command)}\n".encode())
            log.flush()
            self._log_from = log.tell()
            self._process = subprocess.Popen(
                watched,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(self.config, self.gpus, self.key),
                start_new_session=True,
            )

    def _chat_template(self) -> Path | None:
        if self.deployment.chat_template is None:
            return None
        file = self.log.with_suffix(".jinja")
        file.write_text(self.deployment.chat_template, encoding="utf-8")
        return file

    def _wait(self, cancelled: threading.Event) -> None:
        """Waits until it is healthy, and says every few seconds that it waits, and for what."""
        started = said = time.monotonic()
        while not self._is_healthy():
            waited_s = time.monotonic() - started
            if not self.is_alive():
                if _PORT_TAKEN.search(self.last_lines()):
                    raise _PortTaken(f"{self.what}: port {self.port} was taken.{self._says()}")
                raise EndpointError(f"{self.what} did not start ({self._serves}).{self._says()}")
            if waited_s > self.config.start_timeout_s:
                raise EndpointError(
                    f"{self.what} was not healthy {self.config.start_timeout_s:g} s after its start "
                    f"(vllm.start_timeout_s; {self._serves}).{self._says()}"
                )
            if time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                last = (self.last_lines().splitlines() or ["nothing yet"])[-1]
                line = f"waiting for {self.what}: {waited_s:.0f} s; it says: {last}"
                progress.say(line, about=f"{self.what} {waited_s:.0f}")
            if cancelled.wait(_LOOK_EVERY_S):
                raise EndpointError(f"{self.what} was stopped while it started.")

    def _is_healthy(self) -> bool:
        answer = ask(self.port, "/health")
        # Whoever listens there may be another process, if ours has just died of that.
        return answer is not None and answer.status == 200 and self.is_alive()

    def _check(self) -> None:
        """Checks that it is the engine whose version is part of the identity, and the server that was started."""
        listed = ask(self.port, "/v1/models", key=self.key)
        if listed is None or listed.status != 200 or not isinstance(listed.json, dict):
            raise _PortTaken(f"{self.what}: what answers at port {self.port} is another server.{self._says()}")
        names = [str(model.get("id")) for model in listed.json.get("data", []) if isinstance(model, dict)]
        if self.deployment.name not in names:
            raise _PortTaken(
                f"{self.what}: the server at port {self.port} does not have {self.deployment.name!r}, but "
                f"{', '.join(names) or 'nothing'}.{self._says()}"
            )
        version = ask(self.port, "/version")
        said = version.json.get("version") if version is not None and isinstance(version.json, dict) else None
        # A build for another CUDA has that in its package's version (0.11.0+cu129), and not in its own.
        if said is not None and _release(str(said)) != _release(self.deployment.version):
            raise InputError(
                f"{self.what} says that it is version {said}, but its version command said {self.deployment.version}. "
                "Both must be of the same engine, since the version is part of what replies are kept under: see "
                "vllm.command and vllm.version_command."
            )


def local_server(
    config: EngineConfig, deployment: Deployment, adapters: Sequence[Adapter], gpus: Sequence[str], log: Path, what: str
) -> LocalServer:
    """A server on this machine, not started; arguments as those of `LocalServer`."""
    return LocalServer(config, deployment, adapters, gpus=gpus, log=log, what=what)


def _release(version: str) -> str:
    return version.partition("+")[0]


class _PortTaken(Exception):
    """Another process listens at the port."""
