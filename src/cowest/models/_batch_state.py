"""What an endpoint says of a batch, as far as it is read."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, Strict, TypeAdapter

from cowest.errors import CowestError
from cowest.models.base import Json
from cowest.models.providers._reply_format import Count, Format, Text, valid

Seconds = Annotated[float, Strict(), Field(ge=0, le=10**12, allow_inf_nan=False)]


class _Counts(Format):
    total: Count = 0
    completed: Count = 0
    failed: Count = 0


class _Reason(Format):
    code: Text | None = None
    message: Text | None = None


class _Errors(Format):
    data: list[_Reason] | None = None


class Named(Format):
    """A file, or whatever else has an id."""

    id: Text


class BatchState(Named):
    """A batch at one moment; times are seconds since 1970.

    Attributes:
        status: validating, in_progress, completed, expired, cancelled, failed and others.
        output_file_id, error_file_id: of the files with the replies, where there are any.
    """

    status: Text
    created_at: Seconds
    completed_at: Seconds | None = None
    expired_at: Seconds | None = None
    cancelled_at: Seconds | None = None
    failed_at: Seconds | None = None
    output_file_id: Text | None = None
    error_file_id: Text | None = None
    request_counts: object = None
    errors: _Errors | None = None
    metadata: object = None

    @property
    def duration_s(self) -> float:
        """From its creation to its end; 0 while it goes on."""
        ended_at = self.completed_at or self.expired_at or self.cancelled_at or self.failed_at or self.created_at
        return max(0.0, ended_at - self.created_at)

    @property
    def counts(self) -> _Counts:
        """How many requests it has, and how many of them have ended in which way."""
        return valid(_COUNTS, self.request_counts) or _Counts()

    @property
    def reasons(self) -> list[_Reason]:
        """Why it failed, where it did."""
        return (self.errors and self.errors.data) or []

    def has(self, label: str, value: str) -> bool:
        """Whether its metadata say so."""
        return isinstance(self.metadata, dict) and self.metadata.get(label) == value


@dataclass(frozen=True)
class Outcome:
    """A batch that has ended.

    Attributes:
        status: completed, expired, cancelled or failed.
        lines: what the endpoint says of each request, by custom_id; requests that it did not come to are missing.
        lost_lines: whether a request without a line may have been answered, and billed, all the same.
        latency_s: from the batch's creation to its end.
        refusal: why no request of it was begun, where the file itself was refused.
    """

    status: str
    lines: dict[str, Json]
    lost_lines: bool
    latency_s: float
    refusal: CowestError | None


class BatchPage(Format):
    """A part of the list of all batches, the newest first."""

    data: list[BatchState]
    has_more: object = None


_COUNTS = TypeAdapter(_Counts)
