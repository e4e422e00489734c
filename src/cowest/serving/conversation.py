"""A client's request, checked, and the messages that each model gets for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cowest.serving.fields import TAKEN
from cowest.serving.request_limits import check_fields, check_messages, read_object
from cowest.serving.wire import APIError, Json
from cowest.serving_config import ServeConfig
from cowest.types import Message

Part = Literal["both", "weak", "strong"]

_NAME_SHOWN = 200
"""Maximal number of characters of an unknown name that an error repeats."""

_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class Conversation:
    """The messages of a request. Its query is the text of the last user message.

    Args:
        messages: as the client sent them.

    Raises:
        APIError: they are no conversation, or have no user message with text.
    """

    def __init__(self, messages: Any) -> None:
        is_list = isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
        if not is_list or not all(isinstance(message.get("role"), str) for message in messages):
            raise APIError(400, "messages must be a list of objects with a role.", param="messages")
        asked = [index for index, message in enumerate(messages) if message["role"] == "user"]
        self.messages: list[Json] = messages
        self.index = asked[-1] if asked else -1
        self.query = _text(messages[self.index].get("content")) if asked else ""
        if not self.query.strip():
            raise APIError(400, "messages need a user message, and the last one needs text.", param="messages")

    @property
    def earlier(self) -> tuple[Message, ...]:
        """The texts before the query, without tools and images."""
        turns = (
            Message(role=_ROLES[message["role"]], content=_text(message.get("content")))
            for message in self.messages[: self.index]
            if message["role"] in _ROLES
        )
        return tuple(turn for turn in turns if turn.content)

    def for_weak(self, rendered: Sequence[Message]) -> tuple[Message, ...]:
        """The conversation with the rendered template in place of the query, without the messages after it."""
        return (*self.earlier, *rendered)

    def for_strong(self, rendered: Sequence[Message]) -> list[Json]:
        """The conversation with the rendered template in place of the query, otherwise as the client sent it."""
        (wrapped,) = rendered
        before = self.messages[self.index]
        content: Any = wrapped.content
        if isinstance(before["content"], list):
            others = [part for part in before["content"] if part.get("type") != "text"]
            content = [{"type": "text", "text": wrapped.content}, *others]
        message = {"role": "user", "content": content} | {
            key: value for key, value in before.items() if key not in ("role", "content")
        }
        return [*self.messages[: self.index], message, *self.messages[self.index + 1 :]]


def _text(content: Any) -> str:
    """The text of a message; of a message in parts, the text parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise APIError(400, "A message's content must be a text or a list of parts.", param="messages")
    texts = [part.get("text") for part in content if part.get("type") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise APIError(400, "A part of type text needs a text.", param="messages")
    return "\n".join(str(text) for text in texts)


@dataclass(frozen=True)
class Call:
    """A checked request.

    Attributes:
        model: the requested id.
        part: which models answer under that id.
        fields: the other fields of the request, without model, messages and stream; null ones are left out.
        wants_draft: whether the answer shall contain the draft.
    """

    model: str
    part: Part
    conversation: Conversation
    fields: Json
    stream: bool
    wants_draft: bool

    @property
    def include_usage(self) -> bool:
        """Whether a stream shall end with a chunk of usage."""
        options = self.fields.get("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))


def parse(raw: bytes, models: dict[str, Part], config: ServeConfig, *, wants_draft: bool = False) -> Call:
    """Reads the body of a request.

    Raises:
        APIError: it is not a JSON object, is larger than it may be, names an unknown model, or has a field that is
            refused.
    """
    body = read_object(raw)
    model = body.pop("model", None)
    if not isinstance(model, str):
        raise APIError(400, "model must be one of: " + ", ".join(models) + ".", param="model")
    if model not in models:
        known = ", ".join(models)
        raise APIError(
            404, f"The model {model[:_NAME_SHOWN]!r} is not here: {known}.", code="model_not_found", param="model"
        )
    messages = body.pop("messages", None)
    check_messages(messages, config)
    conversation = Conversation(messages)
    stream = body.pop("stream", None) or False
    if not isinstance(stream, bool):
        raise APIError(400, "stream must be true or false.", param="stream")
    fields = {name: value for name, value in body.items() if value is not None}
    for name in sorted(fields.keys() - TAKEN - set(config.allow_fields)):
        raise APIError(
            400,
            f"{name[:_NAME_SHOWN]} is not taken from requests.",
            code="unknown_parameter",
            param=name[:_NAME_SHOWN],
        )
    if "stream_options" in fields and not stream:
        raise APIError(400, "stream_options goes with stream: true.", param="stream_options")
    check_fields(fields, config)
    return Call(model, models[model], conversation, fields, stream, wants_draft)
