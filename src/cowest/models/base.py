"""What a model is to the rest of the package: something that completes one conversation at a time."""

import abc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from cowest.types import ChatRequest, Completion

Json = dict[str, Any]
"""A JSON object of an endpoint's interface."""

HeaderListener = Callable[[Mapping[str, str]], None]
"""Called with the headers of every reply that an endpoint sends."""


@runtime_checkable
class ChatModel(Protocol):
    """Anything that completes conversations: a provider, or a wrapper around another ChatModel.

    Callers send many requests at once and wait for each; batching, pacing and retrying happen below this line.
    """

    name: str
    """As in a recipe, e.g. "openai/gpt-4.1"."""

    identity: str
    """What decides the reply besides the request: endpoint and model, or a hash of the weights. Part of ledger keys."""

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation.

        Raises:
            CompletionError: this request got no usable reply; others may.
            TransientEndpointError: the endpoint failed in a way that may pass.
            EndpointError: the endpoint failed for good.
        """
        ...

    async def close(self) -> None:
        """Releases connections and memory; the next request takes them again."""
        ...


class Account(NamedTuple):
    """Whose limits a call counts towards. Never to be shown, since it holds the key."""

    endpoint: str
    key: str


class BaseChatModel(abc.ABC):
    """A ChatModel that also says how it is to be called; the defaults hold for an endpoint of which nothing is known.

    Providers of this package are subclasses. One that only has the members of ChatModel works too: see
    `as_base_model`.
    """

    name: str
    identity: str

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def in_process(self) -> bool:
        """Whether it runs in this process, so that nothing but this machine limits it."""
        return False

    @property
    def account(self) -> Account:
        """Whose limits its calls count towards."""
        return Account(self.identity, "")

    def listen_to_headers(self, listener: HeaderListener) -> None:
        """Has `listener` called with the headers of every reply, where there are any."""
        return

    async def listed_models(self) -> list[str] | None:
        """The models that its endpoint says it has, which costs nothing.

        Returns:
            Their names; none where the endpoint answers, but keeps no list. None where there is no endpoint to ask.

        Raises:
            EndpointError: the key is wrong, or the endpoint cannot be reached.
        """
        return None

    @abc.abstractmethod
    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation; see `ChatModel.complete`."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Releases connections and memory; see `ChatModel.close`."""


def as_base_model(model: ChatModel) -> BaseChatModel:
    """The model itself if it is a BaseChatModel, else one around it with the defaults.

    A class attribute `in_process` is heeded: plug-ins may set it without the base class.
    """
    return model if isinstance(model, BaseChatModel) else _Adapted(model)


@runtime_checkable
class _SaysWhereItRuns(Protocol):
    in_process: bool


class _Adapted(BaseChatModel):
    """A ChatModel without the base class, such as a plug-in's."""

    def __init__(self, model: ChatModel) -> None:
        self.name = model.name
        self.identity = model.identity
        self._model = model
        self._in_process = isinstance(model, _SaysWhereItRuns) and model.in_process

    @property
    def in_process(self) -> bool:
        return self._in_process

    async def complete(self, request: ChatRequest) -> Completion:
        return await self._model.complete(request)

    async def close(self) -> None:
        await self._model.close()
