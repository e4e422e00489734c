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
        is_reply: whether what comes is the reply all the same.
        passes: whether asking again helps.
        status: of the response.
        headers: likewise.
        end: "whole" sends the body, "half" breaks the connection within it, "none" before anything is sent,
            "never" sends nothing for longer than anybody waits, "refused" lets nobody connect.
    """

    is_billed: bool = False
    is_reply: bool = False
    passes: bool = True
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    end: str = "whole"


ODD_TEXT = "Answer: 1"

_ODD: tuple[Any, ...] = (
    {"choices": "none"},
    {"choices": {"index": 0}},
    {"choices": []},
    {"choices": [None]},
    {"choices": [{"message": None, "finish_reason": "stop"}]},
    {"choices": [{"message": {"content": ["a", "list"]}, "finish_reason": "stop"}]},
    {"choices": [{"message": {"content": 7}, "finish_reason": "stop"}]},
    {"choices": [{"message": {"content": ODD_TEXT}, "finish_reason": 3}]},
    [],
    "text",
)
_ODD_USAGE: tuple[Any, ...] = (
    [],
    "many",
    {"prompt_tokens": -5, "completion_tokens": -5},
    {"prompt_tokens": "many", "completion_tokens": None},
    {"prompt_tokens": float("nan"), "completion_tokens": 1},
)

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
    "odd": Fault(is_billed=True),
    "odd_usage": Fault(is_billed=True, is_reply=True),
    "no_usage": Fault(is_billed=True, is_reply=True),
    "error_as_reply": Fault(),
    "content_filter": Fault(is_billed=True, passes=False),
    "bad_request": Fault(status=400, passes=False),
    "wrong_key": Fault(status=401, passes=False),
}
PASSING = tuple(name for name, fault in FAULTS.items() if fault.passes)


def body_of(name: str, reply: Json, drawn: float) -> bytes:
    """What the server sends instead of a reply.

    Args:
        drawn: decides where there is a choice, in [0, 1).
    """
    fault = FAULTS[name]
    if fault.status != 200:
        return json.dumps({"error": {"message": f"simulated {name}", "type": name, "code": None}}).encode()
    if name == "error_as_reply":
        return json.dumps({"error": {"code": 502, "message": "the upstream provider is gone"}}).encode()
    if name == "not_json":
        return b"<html>Bad gateway</html>"
    if name == "odd":
        return json.dumps(_ODD[int(drawn * len(_ODD))]).encode()
    if name in ("odd_usage", "no_usage"):
        usage = {"usage": _ODD_USAGE[int(drawn * len(_ODD_USAGE))]} if name == "odd_usage" else {}
        return json.dumps({key: value for key, value in reply.items() if key != "usage"} | usage).encode()
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
