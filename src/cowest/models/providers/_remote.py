"""The base class of providers behind HTTP: address, key, one client for each event loop, and the call itself."""

import asyncio
import importlib
import json
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

from cowest.characters import without_half_pairs
from cowest.errors import BrokenReplyError, CompletionError, CowestError, InputError
from cowest.models.base import Account, BaseChatModel, HeaderListener
from cowest.models.config import ModelConfig
from cowest.models.found_limit import MOST
from cowest.models.providers import _remote_failures as failures
from cowest.models.providers._endpoint_key import NO_KEY, find_key, is_address, is_loopback
from cowest.types import ChatRequest, Completion, Message

if TYPE_CHECKING:
    import httpx2

Client = TypeVar("Client")


class RemoteModel(BaseChatModel, Generic[Client]):
    """One request for one completion over HTTP; pacing and retrying are done by wrappers.

    A provider implements how its package is opened, called and read, and what its errors mean.

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
        self._base_url = (config.address or self.default_url).rstrip("/")
        self.identity = f"{self._base_url}|{config.model_name}|{json.dumps(config.options, sort_keys=True)}"
        self._config = config
        self._key = key
        self._header_listener: HeaderListener | None = None
        # A connection belongs to one event loop, and the stages of a run each have their own.
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connection[Client]] = WeakKeyDictionary()

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks address, key and options; opens no connection.

        Raises:
            InputError: one of them is missing or wrong, or the provider's package is not installed.
        """
        if config.address is not None and not is_address(config.address):
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
                reply = await self._send(client, sendable(request))
        except TimeoutError:
            raise failures.timed_out(self._where, self._config.timeout_s) from None
        except self._package_errors() as error:
            # Without its cause: the request in it holds the key.
            raise self._failure(error) from None
        except (ValueError, RecursionError) as error:
            message = failures.clean(str(error), self._key)
            raise BrokenReplyError(
                f"{self._where} sent a reply that is not JSON ({message}).", may_be_billed=True
            ) from None
        return self._read(lambda: self._completion(reply, time.perf_counter() - start))

    def _read(self, read: Callable[[], Completion]) -> Completion:
        """The completion that `read` finds in a reply, without the key."""
        try:
            completion = read()
        except CompletionError as error:
            error.may_be_billed = True  # the endpoint did answer
            raise
        # A server that sends back what it was sent must not get the key written into ledger and results.
        if not self.has_key:
            return completion
        changes: dict[str, Any] = {}
        for name in ("text", "finish_reason"):
            if self._key in (said := getattr(completion, name)):
                changes[name] = self.without_key(said)
        if completion.tokens and self._key in "".join(completion.tokens):  # it may span several
            changes |= {"tokens": None, "token_logprobs": None}
        return completion.model_copy(update=changes) if changes else completion

    @property
    def has_key(self) -> bool:
        """Whether a key is sent, which a server could send back."""
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
    def account(self) -> Account:
        """Whose limits the calls count towards."""
        return Account(self._base_url, self._key)

    def listen_to_headers(self, listener: HeaderListener) -> None:
        """Has `listener` called with the headers of every reply."""
        self._header_listener = listener

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
            said = failures.clean(reason, self._key)
            raise CompletionError(f"{self._where} gave no reply to use (finish reason {said}).")
        if not text.strip():
            raise failures.empty_reply(self._where, reason, is_cut=reasons[reason] == "length")
        return Completion(text=text, finish_reason=reasons[reason], **numbers)

    @abstractmethod
    def _open(self) -> AsyncGenerator[Client]:
        """Yields a client and closes it: a loop that ends closes the generators begun in it."""

    @abstractmethod
    async def _send(self, client: Client, request: ChatRequest) -> Any:
        """Sends the request; the reply's JSON, or its text where it is none. ValueError: it is broken JSON."""

    @abstractmethod
    def _completion(self, reply: Any, latency_s: float) -> Completion:
        """Reads the reply."""

    @abstractmethod
    def _package_errors(self) -> tuple[type[Exception], ...]:
        """What the package raises."""

    @abstractmethod
    def _failure(self, error: Exception) -> CowestError:
        """Such an error in this package's terms."""

    def _http(self) -> "httpx2.AsyncClient":
        """An HTTP client that reads bounded replies, and follows no redirect, since the key would go along."""
        import httpx2
        from openai import DefaultAioHttpClient

        from cowest.models.providers._bounded_body import ACCEPTED

        num_connections = self._config.max_concurrency or MOST
        return DefaultAioHttpClient(
            follow_redirects=False,
            timeout=self._config.timeout_s,
            limits=httpx2.Limits(max_connections=num_connections, max_keepalive_connections=num_connections),
            headers={"Accept-Encoding": ACCEPTED},
            event_hooks={"request": [_limit_connecting], "response": [self._begin_reading]},
            # A proxy of the environment cannot reach this machine's own servers.
            trust_env=not is_loopback(self._base_url),
        )

    async def _begin_reading(self, response: "httpx2.Response") -> None:
        from cowest.models.providers._bounded_body import bound

        bound(response, self._where)
        self._hear(response.headers)

    def _hear(self, headers: Mapping[str, str]) -> None:
        if self._header_listener is not None:
            self._header_listener(headers)

    async def _client(self) -> Client:
        loop = asyncio.get_running_loop()
        if loop not in self._connections:
            self._connections[loop] = _Connection(self._open())
            await self._connections[loop].open()
        return self._connections[loop].client


def sendable(request: ChatRequest) -> ChatRequest:
    """The request with U+FFFD for half surrogate pairs in its messages, which endpoints refuse."""
    if all(message.content.isascii() for message in request.messages):
        return request
    messages = tuple(Message(role=each.role, content=without_half_pairs(each.content)) for each in request.messages)
    return request.model_copy(update={"messages": messages})


async def _limit_connecting(request: "httpx2.Request") -> None:
    # The packages set one limit for all parts of a request.
    limits = request.extensions["timeout"]
    limits["connect"] = min(failures.LONGEST_CONNECTING_S, limits["connect"])


class _Connection(Generic[Client]):
    """A client and the generator that closes it."""

    def __init__(self, life: AsyncGenerator[Client]) -> None:
        self.life = life
        self.client: Client

    async def open(self) -> None:
        self.client = await anext(self.life)


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
