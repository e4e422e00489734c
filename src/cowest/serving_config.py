"""The recipe's section for serving: limits, what happens when a model fails, and what is recorded."""

from typing import Literal

from pydantic import Field

from cowest.gating.config import GateConfig
from cowest.types import Record


class RecordConfig(Record):
    """What of the traffic is kept, for people who asked for it.

    Attributes:
        folder: where a file a day is written; None is `traffic` in the run's folder.
        keep_days: days after which a day's file is deleted.
    """

    folder: str | None = Field(default=None, min_length=1)
    keep_days: int = Field(default=30, ge=1)


class ServeConfig(Record):
    """How the pair is served.

    Attributes:
        max_concurrency: requests in work at once, those that wait for the strong model's connections included; more
            are refused (429).
        max_body_bytes: size of a request.
        draft_deadline_s: seconds after which the strong model answers without the draft.
        stall_s: seconds between two pieces of a streamed answer after which the strong model counts as failed; a
            model that thinks for long between them needs more.
        slow_client_s: seconds that a client may take to send its request, or to take one piece of the answer.
        drain_s: seconds that requests in work get to end after SIGTERM.
        on_strong_failure: what a client gets when the strong model fails before it wrote anything.
        gate: which model answers a request.
        record: keeps queries, drafts and answers; None keeps nothing.
        trace: sends traces, without any text, to the collector that the OTEL_* environment variables name.
    """

    max_concurrency: int = Field(default=256, ge=1)
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    draft_deadline_s: float = Field(default=30, gt=0)
    stall_s: float = Field(default=120, gt=0)
    slow_client_s: float = Field(default=30, gt=0)
    drain_s: float = Field(default=30, gt=0)
    on_strong_failure: Literal["error", "draft"] = "error"
    gate: GateConfig = GateConfig()
    record: RecordConfig | None = None
    trace: bool = False
