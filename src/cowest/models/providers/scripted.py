"""A model with scripted replies, for tests of your own tasks, methods and annotators."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Self

from cowest import plugins
from cowest.errors import CowestError, InputError
from cowest.models.base import BaseChatModel
from cowest.models.config import ModelConfig
from cowest.types import ChatRequest, Completion, Usage

Reply = str | Completion | BaseException
Script = Callable[[ChatRequest], Reply | Awaitable[Reply]]


class ScriptedModel(BaseChatModel):
    """Replies from a function of the request, or from a list in order; an exception among the replies is raised.

    In a recipe: `scripted/package.module:function`. A plain text becomes a completion whose tokens are its words.

    Args:
        replies: a function, which may be async, or the replies one after the other.
        name: as in a recipe.
        identity: see ChatModel.

    Attributes:
        requests: every request it got, in order.
        closed: whether `close` was called.

    Examples:
        >>> import cowest
        >>> model = cowest.ScriptedModel(lambda request: f"You said: {request.messages[-1].content}")
        >>> pair = cowest.Collaboration(model, model)
        >>> pair.answer("Hello").startswith("You said:")
        True
        >>> len(model.requests)  # the draft and its refinement
        2
    """

    in_process = True

    def __init__(
        self, replies: Script | Iterable[Reply], *, name: str = "scripted/test", identity: str = "scripted"
    ) -> None:
        self.name = name
        self.identity = identity
        self.requests: list[ChatRequest] = []
        self.closed = False
        self._script: Script = replies if callable(replies) else _in_order(iter(replies))

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Loads the function that the recipe names.

        Raises:
            InputError: there is no such function.
        """
        if ":" not in config.model_name:
            raise InputError(f"{config.model!r} names no function. Write scripted/package.module:function.")
        script = plugins.load(config.model_name, "cowest.models.providers", "scripted reply function")
        if not callable(script):
            raise InputError(f"{config.model_name!r} is {type(script).__name__}, not a function of a ChatRequest.")
        return cls(script, name=config.model, identity=config.model)

    async def complete(self, request: ChatRequest) -> Completion:
        """The scripted reply to `request`."""
        self.requests.append(request)
        answer = self._script(request)
        reply = await answer if inspect.isawaitable(answer) else answer
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, Completion):
            return reply
        num_words = sum(len(message.content.split()) for message in request.messages)
        usage = Usage(prompt_tokens=num_words, completion_tokens=len(reply.split()))
        return Completion(text=reply, finish_reason="stop", usage=usage)

    async def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True


def _in_order(replies: Iterator[Reply]) -> Script:
    def script(request: ChatRequest) -> Reply:
        for reply in replies:
            return reply
        asked = request.messages[-1].content if request.messages else ""
        raise CowestError(f"The scripted model has no reply left; it was asked {asked[:200]!r}. Give it more replies.")

    return script


PLUGIN = ScriptedModel
