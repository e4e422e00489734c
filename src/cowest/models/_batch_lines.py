"""Lines of a batch's files: the requests that go up, the replies that come down."""

import json
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from cowest.models.base import Json
from cowest.models.providers._reply_format import parse

if TYPE_CHECKING:
    from openai import AsyncOpenAI

URL: Final = "/v1/chat/completions"

# A file may be 200 MB.
TRANSFER_S = 600.0

MAX_LINE_BYTES = 16 * 2**20
"""Of one reply, as of a reply by itself."""


def line(custom_id: str, body: Json) -> bytes:
    """One request of a batch's file."""
    row = {"custom_id": custom_id, "method": "POST", "url": URL, "body": body}
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


class Lines(NamedTuple):
    """The lines of a file.

    Attributes:
        by_id: by custom_id, those that are wanted.
        is_whole: whether every line could be read.
    """

    by_id: dict[str, Json]
    is_whole: bool


async def download(client: "AsyncOpenAI", file_id: str, wanted: Container[str]) -> Lines:
    """The lines of a file with these custom_ids; one that is too long cannot be read."""
    found: dict[str, Json] = {}
    rest = bytearray()
    num_unreadable = 0

    def keep(lines: Iterable[bytes | bytearray]) -> None:
        nonlocal num_unreadable
        for custom_id, row in rows(lines):
            num_unreadable += custom_id is None
            if custom_id is not None and custom_id in wanted:
                found[custom_id] = row

    async with client.files.with_streaming_response.content(file_id, timeout=TRANSFER_S) as response:
        async for chunk in response.iter_bytes():
            rest += chunk
            if b"\n" in chunk or len(rest) > MAX_LINE_BYTES:
                *lines, rest = rest.split(b"\n")
                keep(lines)
                del rest[MAX_LINE_BYTES:]  # its beginning is no JSON
    keep([rest])
    return Lines(found, num_unreadable == 0)


def rows(lines: Iterable[str | bytes | bytearray]) -> Iterable[tuple[str | None, Json]]:
    """The lines of a batch's files by the custom_id of each; None for one that cannot be read."""
    for text in lines:
        if not text.strip():
            continue
        try:
            row = parse(text)
        except ValueError:
            row = None
        if isinstance(row, dict) and isinstance(row.get("custom_id"), str):
            yield row["custom_id"], row
        else:
            yield None, {}
