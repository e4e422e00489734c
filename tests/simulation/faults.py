"""What befalls calls in a simulation: whether the server bills, and what it sends."""

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """One way in which a call goes wrong.

    Attributes:
        is_billed: whether the server counts the call.
        passes: whether asking again helps.
        status: of the response.
        headers: likewise.
        end: "whole" sends the body, "half" breaks the connection within it, "none" before anything is sent,
            "never" sends nothing for longer than anybody waits, "refused" lets nobody connect.
    """

    is_billed: bool = False
    passes: bool = True
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    end: str = "whole"


FAULTS = {
    "rate_limited": Fault(status=429),
    "rate_limited_retry_after": Fault(status=429, headers=(("retry-after", "1"),)),
    "server_error": Fault(status=500),
    "unavailable_retry_after": Fault(status=503, headers=(("retry-after", "2"),)),
    "refused": Fault(end="refused"),
    "dropped": Fault(end="none"),
    "dropped_when_billed": Fault(is_billed=True, end="none"),
    "cut_off": Fault(is_billed=True, end="half"),
    "timeout": Fault(is_billed=True, end="never"),
    "garbage": Fault(is_billed=True),
    "not_json": Fault(is_billed=True),
    "no_finish_reason": Fault(is_billed=True),
    "empty": Fault(is_billed=True),
    "error_as_reply": Fault(),
    "content_filter": Fault(is_billed=True, passes=False),
    "bad_request": Fault(status=400, passes=False),
    "wrong_key": Fault(status=401, passes=False),
}
PASSING = tuple(name for name, fault in FAULTS.items() if fault.passes and name not in ("empty", "not_json"))


def body_of(name: str, reply: Json) -> bytes:
    """What the server sends instead of a reply."""
    fault = FAULTS[name]
    if fault.status != 200:
        return json.dumps({"error": {"message": f"simulated {name}", "type": name, "code": None}}).encode()
    if name == "error_as_reply":
        return json.dumps({"error": {"code": 502, "message": "the upstream provider is gone"}}).encode()
    if name == "not_json":
        return b"<html>Bad gateway</html>"
    whole = json.dumps(_changed(name, reply)).encode()
    return whole[: len(whole) // 2] if name == "garbage" else whole


def _changed(name: str, reply: Json) -> Json:
    choice = dict(reply["choices"][0])
    if name == "no_finish_reason":
        choice["finish_reason"] = None
    elif name == "content_filter":
        choice["finish_reason"] = "content_filter"
    elif name == "empty":
        choice["message"] = {"role": "assistant", "content": ""}
    return {**reply, "choices": [choice]}
