"""What holds for the failures of every remote endpoint."""

import socket

import pytest

from cowest.errors import CompletionError, EndpointError, RateLimitError, TransientEndpointError, UnreachableError
from cowest.models.providers import _remote_failures


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT"}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m0.5s"}, 60.5),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "1m0.5s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms", "retry-after": "3"}, 3),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert _remote_failures.retry_after_s(headers) == seconds


def test_a_lost_connection_says_what_the_network_said() -> None:
    error = RuntimeError("no running event loop")
    refused = ConnectionRefusedError("Connect call failed")
    refused.__context__ = error
    outer = Exception("Connection error.")
    outer.__cause__ = refused
    said = str(_remote_failures.no_connection(outer, "m at http://x", ""))
    assert "connection refused: Connect call failed" in said


def test_a_name_that_cannot_be_looked_up_now_costs_nothing() -> None:
    outer = Exception("Connection error.")
    outer.__cause__ = OSError("Cannot connect to host")
    outer.__cause__.__cause__ = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    found = _remote_failures.no_connection(outer, "m at http://x", "")
    assert isinstance(found, UnreachableError)
    assert not found.may_be_billed


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, EndpointError),
        (400, CompletionError),
        (401, EndpointError),
        (402, EndpointError),
        (404, EndpointError),
        (409, TransientEndpointError),
        (429, RateLimitError),
        (503, TransientEndpointError),
    ],
)
def test_a_status_decides_the_kind(status: int, kind: type[Exception]) -> None:
    error = _remote_failures.by_status(status, "said so", "m at http://x", {"retry-after": "3"})
    assert type(error) is kind
    assert f"({status})" in str(error)
    assert isinstance(error, TransientEndpointError) is (status in (409, 429, 503))
    if isinstance(error, TransientEndpointError):
        assert error.retry_after_s == 3
