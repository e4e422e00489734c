"""Lines of a batch's files: the requests that go up, the replies that come down."""

import json
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Final

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


async def download(client: "AsyncOpenAI", file_id: str, wanted: Container[str]) -> dict[str, Json]:
    """The lines of a file with these custom_ids; a line that is too long counts as missing."""
    found: dict[str, Json] = {}
    rest = bytearray()
    async with client.files.with_streaming_response.content(file_id, timeout=TRANSFER_S) as response:
        async for chunk in response.iter_bytes():
            rest += chunk
            if b"\n" in chunk or len(rest) > MAX_LINE_BYTES:
                *lines, rest = rest.split(b"\n")
                found |= {custom_id: row for custom_id, row in rows(lines) if custom_id in wanted}
                del rest[MAX_LINE_BYTES:]  # its beginning is no JSON, so that the request is found to be missing
    return found | {custom_id: row for custom_id, row in rows([rest]) if custom_id in wanted}


def rows(lines: Iterable[str | bytes | bytearray]) -> Iterable[tuple[str, Json]]:
    """The lines of a batch's files by the custom_id of each."""
    for text in lines:
        try:
            row = parse(text)
        except ValueError:  # an empty or broken line; the request without a line is found to be missing
            continue
        if isinstance(row, dict) and isinstance(row.get("custom_id"), str):
            yield row["custom_id"], row
