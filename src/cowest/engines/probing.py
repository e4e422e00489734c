"""Short questions to a server on loopback that is starting: whether it is healthy, its version, what it serves."""

import http.client
import json
from typing import Any, NamedTuple

from cowest.engines.command import HOST

_PATIENCE_S = 5.0
_MAX_BYTES = 2**20


class Answer(NamedTuple):
    """What a server answered; `json` is None where it was no JSON."""

    status: int
    json: Any
    text: str


def ask(port: int, path: str, *, key: str = "", body: Any = None, patience_s: float = _PATIENCE_S) -> Answer | None:
    """Sends one request; None where nobody answers.

    Args:
        key: sent as the bearer token.
        body: of a POST, as JSON; None is a GET.
        patience_s: seconds to wait for each part of the answer.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=patience_s)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            headers["Content-Type"] = "application/json"
            connection.request("POST", path, json.dumps(body).encode(), headers)
        response = connection.getresponse()
        text = response.read(_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    try:
        return Answer(response.status, json.loads(text), text)
    except ValueError:
        return Answer(response.status, None, text)
