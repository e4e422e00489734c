"""How large a request may be, so that reading it and sending it on holds nobody else up."""

import json
import math
from collections.abc import Sequence
from typing import Any

from cowest.serving.large_json import num_marks
from cowest.serving.wire import APIError, Json
from cowest.serving_config import ServeConfig

MAX_VALUES = 50_000
"""Texts, numbers, lists and objects in a body: reading so many takes tens of milliseconds."""

MAX_ITEMS = {"stop": 16, "tools": 128, "functions": 128, "logit_bias": 1024, "metadata": 16}
"""Largest lists and objects in fields; OpenAI's own limits, where it has one."""

_MAX_TOP_LOGPROBS = 20


def read_object(raw: bytes) -> Json:
    """A body as a JSON object.

    Raises:
        APIError: it is none, or holds more values than a request has use for.
    """
    if _num_values(raw) > MAX_VALUES:
        raise APIError(400, f"The body has more than {MAX_VALUES:,} JSON values.", code="request_too_large")
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\ud" in raw.lower():
            # Half a surrogate pair is legal JSON but not text: no tokenizer and no endpoint accepts it.
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise APIError(400, "The body is not JSON in UTF-8.") from None
    if not isinstance(body, dict):
        raise APIError(400, "The body must be a JSON object.")
    return body


def check_messages(messages: Any, config: ServeConfig) -> None:
    """Checks how many messages there are, and how long.

    Raises:
        APIError: too many, or too long.
    """
    if not isinstance(messages, list):
        return
    if len(messages) > config.max_messages:
        raise _too_many("messages", len(messages), config.max_messages)
    check_size(sum(num_characters(each.get("content")) for each in messages if isinstance(each, dict)), config)


def check_size(size: int, config: ServeConfig) -> None:
    """Checks the characters that are sent on.

    Raises:
        APIError: too many.
    """
    if size > config.max_characters:
        raise APIError(
            400,
            f"The messages have {size:,} characters; this server takes {config.max_characters:,}, for a model that "
            "writes one text a call divided by n.",
            code="string_above_max_length",
            param="messages",
        )


def check_fields(fields: Json, config: ServeConfig) -> None:
    """Checks the fields that multiply what a request costs, and that `metadata` is as OpenAI has it.

    Raises:
        APIError: one of them is too large, or no number of choices.
    """
    count = fields.get("n", 1)
    if not _is_whole(count) or count < 1:
        raise APIError(400, f"n must be a whole number from 1 to {config.max_choices}.", param="n")
    if count > config.max_choices:
        raise _too_high("n", count, config.max_choices)
    alternatives = fields.get("top_logprobs", 0)
    if _is_whole(alternatives) and alternatives > _MAX_TOP_LOGPROBS:
        raise _too_high("top_logprobs", alternatives, _MAX_TOP_LOGPROBS)
    for name, limit in MAX_ITEMS.items():
        value = fields.get(name)
        if isinstance(value, list | dict) and len(value) > limit:
            raise _too_many(name, len(value), limit)
    metadata = fields.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        # Gateways also read settings of their own from nested values.
        raise APIError(400, "metadata must be an object of texts.", param="metadata")


def _too_many(name: str, given: int, limit: int) -> APIError:
    return APIError(
        400, f"{name} has {given:,} entries; this server takes {limit:,}.", code="array_above_max_length", param=name
    )


def _too_high(name: str, given: int, limit: int) -> APIError:
    return APIError(400, f"{name} may be {limit} at most.", code="integer_above_max_value", param=name)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def num_characters(content: Any) -> int:
    """Characters of a message's texts; what is not text, or not well formed, counts nothing here."""
    if isinstance(content, str):
        return len(content)
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return sum(len(text) for text in texts if isinstance(text, str))


def _num_values(raw: bytes) -> int:
    """The values in a JSON text, about: its commas and opening brackets, outside texts where they are many."""
    if (about := num_marks(raw)) <= MAX_VALUES:
        return about
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if (num_texts := bare.count(b'"') // 2) > 2 * MAX_VALUES:  # names and values
        return num_texts
    return num_marks(b"".join(bare.split(b'"')[::2]))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    """Refuses numbers that cannot be sent on: 1e400 is legal JSON, but Python reads it as infinity, which is not."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number
