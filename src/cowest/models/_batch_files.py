"""Requests as lines of a batch's file, split into files that an endpoint takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BatchLimits:
    """When a batch is sent, and how large its file may be.

    Attributes:
        settle_s: a batch is sent when no request has come for so long.
        max_requests, max_bytes: of one file.
    """

    settle_s: float
    max_requests: int
    max_bytes: int


@dataclass(frozen=True)
class QueuedRequest:
    """A request as a line of a file, and in how many batches it has been without a reply."""

    line: bytes
    num_attempts: int = 0


def split(requests: Mapping[str, QueuedRequest], limits: BatchLimits) -> Iterator[dict[str, QueuedRequest]]:
    """Files of requests in their order, each within the limits; a request that is too large is a file of its own."""
    file: dict[str, QueuedRequest] = {}
    num_bytes = 0
    for custom_id, request in requests.items():
        if file and (len(file) == limits.max_requests or num_bytes + len(request.line) > limits.max_bytes):
            yield file
            file, num_bytes = {}, 0
        file[custom_id] = request
        num_bytes += len(request.line)
    if file:
        yield file
