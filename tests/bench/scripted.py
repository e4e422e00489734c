"""What recipes of bench tests name: a strong model that gambles, and a method and an annotator that cannot work."""

import functools
import json
from typing import Any

from cowest.errors import InputError
from cowest.methods import Method, Setting
from cowest.plugins import resolve_path
from cowest.types import ChatRequest
from tests.worlds import chance


@functools.cache
def rows(split: str) -> list[dict[str, Any]]:
    """The lab's rows."""
    return [json.loads(line) for line in resolve_path(f"cowest.lab:assets/{split}.jsonl").read_text().splitlines()]


def strong_reply(request: ChatRequest) -> str:
    """Knows every answer of the lab and gives it half the time, decided by the request's text alone."""
    text = request.messages[-1].content
    known = next((row["answer"] for split in ("train", "test") for row in rows(split)[:40] if row["query"] in text), "")
    luck = chance(text, request.sample_index)
    return f"Explanation: {luck}.\nAnswer: {known if luck < 0.5 else 'unknown'}"


def other_reply(request: ChatRequest) -> str:
    """Another strong model, as good but right elsewhere."""
    return strong_reply(request.model_copy(update={"sample_index": request.sample_index + 1000}))


def variants(setting: Setting) -> list[Method]:
    raise InputError("this method needs what there is not")


class Annotator:
    """A kind of feedback that dies of a fault."""

    name = "broken"

    def __init__(self, *_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a fault")
