"""The recipe's section for serving: limits, failure handling and what is recorded."""

import datetime
import re
from typing import Annotated, Literal

from pydantic import Field

from cowest.gating.config import GateConfig
from cowest.types import Record

ORIGIN = r"^(\*|https?://[A-Za-z0-9._\-\[\]:]+)$"
"""A web page's origin: scheme, host and port, without a path."""


TRAFFIC_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl")
"""The name of a day's file of recorded traffic."""


def first_kept_day(today: datetime.date, keep_days: int) -> str:
    """The first day, as in the names of the files, whose traffic may still be kept and used."""
    return (today - datetime.timedelta(days=keep_days)).isoformat()


class RecordConfig(Record):
    """Opt-in recording of the traffic.

    Attributes:
        folder: gets one file per day; None means `traffic` in the run's folder.
        keep_days: days before a file is deleted.
    """

    folder: str | None = Field(default=None, min_length=1)
    keep_days: int = Field(default=30, ge=1)


class ServeConfig(Record):
    """How the pair is served.

    Attributes:
        max_concurrency: requests handled at once, including those that wait for one of the strong model's
            connections; more are refused (429).
        max_body_bytes: largest accepted request body.
        max_messages: messages that a request may have.
        max_characters: characters that the texts of a request's messages may have together; `n` times as many count
            where a model that writes one text a call is sent them `n` times.
        max_choices: largest accepted `n`.
        max_connections: open connections of clients, those that have sent nothing included.
        head_s: seconds that a client may take from connecting, or from its last answer, to the end of the headers of
            its next request.
        cors_origins: origins of web pages whose scripts may call the server, such as https://app.example; "*" allows
            all, and needs a key.
        allow_fields: names of request fields that are passed on besides those of OpenAI's interface.
        draft_deadline_s: seconds after which the strong model answers without the draft.
        stall_s: seconds without a new chunk of a streamed answer before the strong model counts as failed; a model that
            pauses to reason needs more.
        slow_client_s: seconds a client may take to send its request, or to receive one chunk of the answer.
        drain_s: seconds that running requests get to finish after SIGTERM.
        on_strong_failure: what a client gets when the strong model fails before its first token.
        gate: which model answers a request.
        record: stores queries, drafts and answers; None stores nothing.
        trace: sends traces, without any text, to the collector that the OTEL_* environment variables name.
    """

    max_concurrency: int = Field(default=256, ge=1)
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    max_messages: int = Field(default=1000, ge=1)
    max_characters: int = Field(default=1_000_000, ge=1)
    max_choices: int = Field(default=16, ge=1, le=128)
    max_connections: int = Field(default=1024, ge=1)
    head_s: float = Field(default=10, gt=0)
    cors_origins: tuple[Annotated[str, Field(pattern=ORIGIN)], ...] = ()
    allow_fields: tuple[str, ...] = ()
    draft_deadline_s: float = Field(default=30, gt=0)
    stall_s: float = Field(default=120, gt=0)
    slow_client_s: float = Field(default=30, gt=0)
    drain_s: float = Field(default=30, gt=0)
    on_strong_failure: Literal["error", "draft"] = "error"
    gate: GateConfig = GateConfig()
    record: RecordConfig | None = None
    trace: bool = False
