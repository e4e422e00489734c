"""JSON of many values, read and written in a thread in steps, so that other requests are answered meanwhile.

The standard library's C code would hold the interpreter's lock for the whole of it.
"""

import asyncio
import json
from collections.abc import Callable, Collection
from json import decoder, scanner
from typing import Any, TypeVar

from cowest.serving.wire import Json, UpstreamError

Result = TypeVar("Result")

MANY_VALUES = 20_000
"""From here on a reply is read and written in a thread."""

MAX_VALUES = 2_000_000
"""In a reply. 16,000 tokens with 20 alternatives each have so many."""

_one_at_a_time = asyncio.Semaphore(1)


class SteppingDecoder(json.JSONDecoder):
    """The standard library's decoder in Python; single texts are still read by C code."""

    def __init__(self) -> None:
        super().__init__()
        # By name, since type stubs leave them out.
        self.parse_object = vars(decoder)["JSONObject"]
        self.parse_array = vars(decoder)["JSONArray"]
        self.scan_once = vars(scanner)["py_make_scanner"](self)


async def read(raw: bytes, use: Callable[[object], Result]) -> Result:
    """What `use` makes of a reply's value.

    Raises:
        ValueError: it is no JSON.
        UpstreamError: it has more than `MAX_VALUES` values.
    """
    num_values = num_marks(raw)
    if num_values <= MANY_VALUES:
        return use(_loads(raw, json.loads))
    if num_values > MAX_VALUES:
        raise UpstreamError(502, "The strong model's answer is too large.", code="upstream_too_large")
    async with _one_at_a_time:
        return await asyncio.to_thread(lambda: use(_loads(raw, SteppingDecoder().decode)))


async def write(reply: Json, encode: Callable[[Json], bytes]) -> bytes:
    """The reply in JSON: by `encode`, or in a thread where it has many values."""
    if not _has_many_values(reply):
        return encode(reply)
    encoder = json.JSONEncoder(separators=(",", ":"))
    async with _one_at_a_time:
        return await asyncio.to_thread(lambda: "".join(encoder.iterencode(reply)).encode("ascii"))


def num_marks(raw: bytes) -> int:
    """The values in a JSON text at most, about: its commas and opening brackets, those in texts included."""
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _has_many_values(reply: Json) -> bool:
    num_values = 0
    waiting: list[Collection[Any]] = [reply.values()]
    while waiting:
        values = waiting.pop()
        num_values += len(values)
        if num_values > MANY_VALUES:
            return True
        waiting += [
            each.values() if isinstance(each, dict) else each for each in values if isinstance(each, dict | list)
        ]
    return False


def _loads(raw: bytes, load: Callable[[str], object]) -> object:
    try:
        return load(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
