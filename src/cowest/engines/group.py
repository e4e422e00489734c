"""The servers of one role, one a GPU: started when they are first needed, shared by load, restarted once."""

import asyncio
import contextlib
import functools
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from cowest import progress
from cowest.engines.config import EngineConfig
from cowest.engines.deployment import Adapter, Deployment
from cowest.engines.gpus import places, release_cached_memory
from cowest.engines.local import local_server
from cowest.engines.server import Server, start_together
from cowest.engines.serving import Serving
from cowest.engines.slots import Slot, User
from cowest.engines.turns import Turns, at_once, end_of
from cowest.errors import EndpointError

_PATIENCE_S, _LOOK_EVERY_S = 1.0, 0.05
_TRUSTED_AGAIN_S = 600.0
"""A server that has run for so long may be restarted once more."""

MakeServer = Callable[[EngineConfig, Deployment, Sequence[Adapter], Sequence[str], Path, str], Server]


class Group:
    """Serves one full model at a time, with all adapters that anybody has registered for it.

    Safe to use from several threads and event loops. Servers are started, restarted and stopped in turn; calls wait.

    Args:
        config: the recipe's section.
        role: for messages and file names.
        logs: the folder for the servers' output.
        make_server: replaced where servers run elsewhere.

    Attributes:
        tell: called when servers have started, ended, or got another adapter.
    """

    def __init__(self, config: EngineConfig, role: str, logs: Path, make_server: MakeServer = local_server) -> None:
        self.config = config
        self.role = role
        self.logs = logs
        self.tell: Callable[[Serving], None] = lambda serving: None
        self._make_server = make_server
        self._users: weakref.WeakSet[User] = weakref.WeakSet()
        self._serving: tuple[Deployment, dict[str, Adapter]] | None = None
        self._slots: list[Slot] = []
        self._is_switching = False
        self._idle = threading.Condition()  # guards everything above
        self._turns = Turns(f"the servers of {role}")

    def serving(self) -> Serving:
        """What runs now."""
        with self._idle:
            served, adapters = (None, {}) if self._serving is None else self._serving
            urls = tuple(slot.server.url for slot in self._slots)
        model = None if served is None else served.model
        return Serving(self.role, self.config.command[0], urls, model, tuple(sorted(adapters)))

    @functools.cached_property
    def num_servers(self) -> int:
        """One for each place of the settings."""
        return len(places(self.config))

    def register(self, user: User) -> None:
        """Has the user's adapter there when servers start, and keeps them until it is released or forgotten."""
        with self._idle:
            self._users.add(user)

    @contextlib.asynccontextmanager
    async def lease(self, user: User) -> AsyncIterator[Slot]:
        """The server with the fewest calls, for one call; servers are started if need be.

        Raises:
            InputError, EndpointError: they cannot be started, or one died twice.
        """
        while (slot := self._take(user)) is None:
            ready = self._turns.submit((user.deployment, user.adapter), functools.partial(self._switch, user))
            await end_of(ready)
        try:
            yield slot
        finally:
            with self._idle:
                slot.num_calls -= 1
                self._idle.notify_all()

    async def has_died(self, slot: Slot, generation: int) -> bool:
        """Whether a server on which a call failed has ended or is ending; a restart begins if so."""
        deadline = time.monotonic() + _PATIENCE_S  # a connection breaks a little before the process is gone
        while time.monotonic() < deadline:
            if slot.generation != generation or not slot.server.is_alive():
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False

    def release(self, user: User) -> None:
        """Stops the servers if nobody else is registered; to call again is to register again."""
        with self._idle:
            self._users.discard(user)
            is_needed = bool(self._users)
        if not is_needed:
            self.stop()

    def stop(self) -> None:
        """Ends every server; the next call starts them again. Returns in bounded time."""
        self._turns.give_up()
        with self._idle:
            self._idle.notify_all()
        self._turns.after_giving_up(self._stop_all)

    def _take(self, user: User) -> Slot | None:
        """A server that can be called now; None where one must be waited for."""
        with self._idle:
            self._users.add(user)
            if self._turns.failure is not None:
                raise self._turns.failure
            if self._is_switching or not self._serves(user):
                return None
            for slot in self._slots:
                if not slot.is_restarting and not slot.server.is_alive():
                    slot.is_restarting = True
                    self._turns.submit(("restart", id(slot)), functools.partial(self._restart, slot))
            usable = [slot for slot in self._slots if not slot.is_restarting]
            if not usable:
                return None
            slot = min(usable, key=lambda each: each.num_calls)
            slot.num_calls += 1
            return slot

    def _serves(self, user: User) -> bool:
        if self._serving is None or not self._slots:
            return False
        deployment, adapters = self._serving
        return deployment == user.deployment and (user.adapter is None or user.adapter.name in adapters)

    def _switch(self, user: User) -> None:
        """Has the servers serve what `user` needs; those that serve something else finish their calls first."""
        with self._idle:
            if self._serves(user):
                return
            wanted = user.deployment
            known = [each.adapter for each in self._users if each.deployment == wanted and each.adapter is not None]
            adapters = {each.name: each for each in known if each.folder.is_dir() or each == user.adapter}
            self._is_switching = True
            self._idle.wait_for(
                lambda: self._turns.cancelled.is_set() or not any(slot.num_calls for slot in self._slots)
            )
        try:
            if self.config.load_at_runtime and user.adapter is not None and self._can_load(wanted):
                self._load(user.adapter)
            else:
                self._stop_all()
                self._start_all(wanted, sorted(adapters.values()))
        finally:
            with self._idle:
                self._is_switching = False
            self.tell(self.serving())

    def _can_load(self, wanted: Deployment) -> bool:
        has_servers = self._serving is not None and self._serving[0] == wanted and bool(self._slots)
        return has_servers and all(slot.server.is_alive() for slot in self._slots)

    def _load(self, adapter: Adapter) -> None:
        for slot in self._slots:
            slot.server.load(adapter)
        with self._idle:
            if self._serving is not None:
                self._serving = (self._serving[0], self._serving[1] | {adapter.name: adapter})

    def _start_all(self, deployment: Deployment, adapters: Sequence[Adapter]) -> None:
        release_cached_memory()
        servers = [self._new_server(gpus, deployment, adapters) for gpus in places(self.config)]
        what = f"{len(servers)} servers" if len(servers) > 1 else "a server"
        progress.say(f"{self.role}: starting {what} of {deployment.model.name}", about=f"start of {self.role}")
        start_together(servers, self._turns.cancelled)
        with self._idle:
            self._slots = [Slot(server) for server in servers]
            self._serving = (deployment, {adapter.name: adapter for adapter in adapters})

    def _restart(self, slot: Slot) -> None:
        try:
            self._start_again(slot)
        finally:
            with self._idle:
                slot.is_restarting = False

    def _start_again(self, slot: Slot) -> None:
        """Starts a server that has ended; once, unless it has run for long."""
        with self._idle:
            if slot not in self._slots or self._serving is None:
                return
            deployment, adapters = self._serving
            index = self._slots.index(slot)
        if time.monotonic() - slot.started > _TRUSTED_AGAIN_S:
            slot.num_restarts = 0
        said = slot.server.last_lines()
        slot.server.stop()
        gpus = places(self.config)[index]
        what = self._name(gpus)
        if slot.num_restarts:
            raise EndpointError(
                f"{what} ended, was started again, and has ended again. The replies so far are kept, and the same "
                f"command goes on. Its last lines, from {str(self._log(gpus))!r}:\n{said}"
            )
        progress.say(
            f"{what} ended, and is started again; its calls are made again. It said last: "
            f"{(said.splitlines() or ['nothing'])[-1]}",
            about=f"restart of {what}",
        )
        server = self._new_server(gpus, deployment, sorted(adapters.values()))
        server.start(self._turns.cancelled)
        with self._idle:
            slot.server, slot.started = server, time.monotonic()
            slot.generation += 1
            slot.num_restarts += 1
        self.tell(self.serving())

    def _stop_all(self) -> None:
        with self._idle:
            slots, self._slots, self._serving = self._slots, [], None
        if slots:
            progress.say(f"{self.role}: stopping its servers", about=f"stop of {self.role}")
            self.tell(self.serving())
        at_once([slot.server.stop for slot in slots])

    def _new_server(self, gpus: Sequence[str], deployment: Deployment, adapters: Sequence[Adapter]) -> Server:
        return self._make_server(self.config, deployment, adapters, gpus, self._log(gpus), self._name(gpus))

    def _name(self, gpus: Sequence[str]) -> str:
        return f"the server of {self.role}" + (f" on GPU {', '.join(gpus)}" if gpus else "")

    def _log(self, gpus: Sequence[str]) -> Path:
        suffix = f"-gpu-{'-'.join(gpus)}".replace("/", "_").replace(":", "_") if gpus else ""
        return self.logs / f"{self.role}{suffix}.log"
