"""What the providers behind HTTP share: address, key, one client for each event loop, and the call itself."""

import asyncio
import functools
import importlib
import ipaddress
import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from cowest.errors import BrokenReplyError, CompletionError, CowestError, InputError
from cowest.models.config import ModelConfig
from cowest.models.providers import _openai_failures as failures
from cowest.types import ChatRequest, Completion

if TYPE_CHECKING:
    import httpx2

Client = TypeVar("Client")

NO_KEY = "none"
"""What is sent as the key to a server on this machine that needs none."""


class RemoteModel(ABC, Generic[Client]):
    """One request for one completion over HTTP; pacing and retrying are done by wrappers.

    A provider says how its package is opened, called and read, and what its errors mean.

    Attributes:
        default_url: endpoint of a recipe without base_url.
        default_key_env: environment variable of the key in a recipe without api_key_env.
        own_fields: fields of the request that `options` may not set.
    """

    default_url: ClassVar[str]
    default_key_env: ClassVar[str]
    own_fields: ClassVar[frozenset[str]]

    def __init__(self, config: ModelConfig, key: str) -> None:
        self.name = config.model
        self._base_url = (config.base_url or self.default_url).rstrip("/")
        self.identity = f"{self._base_url}|{config.model_name}|{json.dumps(config.options, sort_keys=True)}"
        self._config = config
        self._key = key
        self.on_headers: Callable[[Mapping[str, str]], None] | None = None
        # A connection belongs to one event loop, and the stages of a run each have their own.
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connection[Client]] = WeakKeyDictionary()

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks address, key and options; opens no connection.

        Raises:
            InputError: one of them is missing or wrong, or the provider's package is not installed.
        """
        if config.base_url is not None and not _is_address(config.base_url):
            raise InputError(
                f"base_url of {config.model!r} is {config.base_url!r}. Give an address such as http://127.0.0.1:8000/v1."
            )
        if clash := sorted(cls.own_fields & set(config.options)):
            raise InputError(
                f"options of {config.model!r} may not set {', '.join(clash)}: use `model` and `sampling` for them."
            )
        return cls(config, find_key(config, cls.default_key_env))

    async def complete(self, request: ChatRequest) -> Completion:
        """Sends one request.

        Raises:
            CompletionError: the endpoint gave this request no usable reply, or a broken one (BrokenReplyError).
            TransientEndpointError: 5xx, timeout, lost connection; or a rate limit (RateLimitError).
            EndpointError: wrong key, unknown model, no money left, no such host.
        """
        client = await self._client()
        start = time.perf_counter()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                reply = await self._send(client, request)
        except TimeoutError:
            raise failures.timed_out(self._where, self._config.timeout_s) from None
        except self._package_errors() as error:
            # Without its cause: the request in it holds the key.
            raise self._failure(error) from None
        except ValueError as error:
            said = failures.clean(str(error), self._key)
            problem = f"{self._where} sent a reply that is not JSON ({said})."
            raise BrokenReplyError(problem, may_be_billed=True) from None
        try:
            completion = self._completion(reply, time.perf_counter() - start)
        except CompletionError as error:
            error.may_be_billed = True  # the endpoint did answer
            raise
        # A server that sends back what it was sent must not get the key written into ledger and results.
        if (text := self.without_key(completion.text)) != completion.text:
            completion = completion.model_copy(update={"text": text})
        return completion

    @property
    def has_key(self) -> bool:
        """Whether a key is sent, that a server could send back."""
        return self._key != NO_KEY

    def without_key(self, text: str) -> str:
        """What a server sent, without the key."""
        return text.replace(self._key, "[key]") if self.has_key else text

    async def close(self) -> None:
        """Closes the connections of this event loop; those of others close when their loops end."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.life.aclose()

    @property
    def account(self) -> tuple[str, str]:
        """Whose limits the calls count towards: the endpoint and the key. Never to be shown."""
        return self._base_url, self._key

    @property
    def _where(self) -> str:
        return f"{self._config.model_name} at {self._base_url}"

    def _finished(self, text: str, reason: str | None, reasons: Mapping[str, str], **numbers: Any) -> Completion:
        """A completion of what the endpoint wrote, if it can be used.

        Args:
            reason: why the endpoint says that it stopped.
            reasons: those of a usable reply, with our names for them.
            numbers: usage, latency and cost.
        """
        if reason is None:
            raise BrokenReplyError(f"{self._where} sent a reply without a finish reason: it may be cut off.")
        if reason not in reasons:
            raise CompletionError(f"{self._where} gave no reply to use (finish reason {reason}).")
        if not text.strip():
            advice = "; a model that thinks needs a higher sampling.max_tokens" if reasons[reason] == "length" else ""
            raise CompletionError(f"{self._where} sent an empty reply (finish reason {reason}){advice}.")
        return Completion(text=text, finish_reason=reasons[reason], **numbers)

    @abstractmethod
    def _open(self) -> AsyncGenerator[Client]:
        """Yields a client and closes it: a loop that ends closes the generators begun in it."""

    @abstractmethod
    async def _send(self, client: Client, request: ChatRequest) -> Any:
        """Sends the request; the reply as the package gives it."""

    @abstractmethod
    def _completion(self, reply: Any, latency_s: float) -> Completion:
        """Reads the reply."""

    @abstractmethod
    def _package_errors(self) -> tuple[type[Exception], ...]:
        """What the package raises."""

    @abstractmethod
    def _failure(self, error: Any) -> CowestError:
        """Such an error in this package's terms."""

    def _http(self) -> "httpx2.AsyncClient":
        """An HTTP client that follows no redirect, since the key would go along."""
        import httpx2
        from openai import DefaultAioHttpClient

        room = self._config.max_concurrency
        return DefaultAioHttpClient(
            follow_redirects=False,
            timeout=self._config.timeout_s,
            limits=httpx2.Limits(max_connections=room, max_keepalive_connections=room),
            event_hooks={"response": [self._read_headers]},
            # A proxy of the environment cannot reach this machine's own servers.
            trust_env=not _is_loopback(self._base_url),
        )

    async def _read_headers(self, response: Any) -> None:
        if self.on_headers is not None:
            self.on_headers(response.headers)

    async def _client(self) -> Client:
        loop = asyncio.get_running_loop()
        if loop not in self._connections:
            self._connections[loop] = _Connection(self._open())
            await self._connections[loop].open()
        return self._connections[loop].client


class _Connection(Generic[Client]):
    """A client and the generator that closes it."""

    def __init__(self, life: AsyncGenerator[Client]) -> None:
        self.life = life
        self.client: Client

    async def open(self) -> None:
        self.client = await anext(self.life)


def find_key(config: ModelConfig, default_env: str) -> str:
    """The key from the environment; `NO_KEY` where a server on this machine needs none.

    Where a recipe names a variable that is not set, such a server is called without a key, and a warning says so.

    Raises:
        InputError: it is not there.
    """
    on_this_machine = config.base_url is not None and _is_loopback(config.base_url)
    # A key that the recipe does not name was not meant for a server on this machine.
    if on_this_machine and config.api_key_env is None:
        return NO_KEY
    variable = config.api_key_env or default_env
    key = os.environ.get(variable, "").strip()
    if not key and not on_this_machine:
        raise InputError(
            f"{config.model!r} needs a key, and the environment variable {variable} is not set. "
            f"Set it (export {variable}=...), or name another variable in api_key_env."
        )
    if not key:
        _warn_once(
            f"{config.model!r} at {config.base_url} is called without a key: api_key_env names {variable}, which is "
            f"not set. Set it (export {variable}=...), or write `api_key_env: null` if this server needs none."
        )
    return key or NO_KEY


@functools.cache  # a run opens its models many times
def _warn_once(warning: str) -> None:
    logging.getLogger(__name__).warning(warning)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def needs_package(module: str, model: str, extra: str) -> None:
    """Checks that an optional package is there.

    Raises:
        InputError: it is not; the message has the line that installs it.
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{model!r} is called through a package that is not installed. Run: pip install 'cowest[{extra}]'"
        ) from error
