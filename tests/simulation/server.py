"""The endpoint of a simulation: what it answers, and what it bills. It outlives the processes that call it."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cowest.models.budgeted import TOKENS_A_MESSAGE
from tests.endpoint.app import num_prompt_tokens
from tests.endpoint.behaviour import Body
from tests.endpoint.limiters import Limiter, make_limiter
from tests.simulation import world as said
from tests.simulation.faults import FAULTS
from tests.simulation.plan import Plan
from tests.worlds import chance

USD_PER_TOKEN = 1e-4


@dataclass
class Charge:
    """A call that was billed.

    Attributes:
        digest: of its messages.
        usd: its price.
        is_reply: whether what it was billed for is a reply that can be used.
        process: the number of the process that called.
        delivered_at: virtual seconds at which the whole reply had come; None where it has not.
        is_excused: whether it was in flight when its process ended, so that it may be paid again.
    """

    digest: str
    usd: float
    is_reply: bool
    process: int
    delivered_at: float | None = None
    is_excused: bool = False


@dataclass
class Server:
    """The state of the endpoint."""

    plan: Plan
    is_faulty: bool = True
    charges: list[Charge] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    befallen: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    limiter: Limiter | None = None

    def __post_init__(self) -> None:
        if self.plan.requests_per_s is not None:
            self.limiter = make_limiter(self.plan.limiter, self.plan.requests_per_s, self.plan.burst_s)

    @property
    def billed_usd(self) -> float:
        """What all calls cost, as the server counts."""
        return sum(charge.usd for charge in self.charges)

    def fault(self, body: Body) -> str | None:
        """The fault that befalls this attempt: a function of the seed, the body and the attempt's number."""
        digest = digest_of(body["messages"])
        self.attempts[digest] += 1
        if not self.is_faulty:
            return None
        if self.plan.most_faults is not None and self.befallen[digest] >= self.plan.most_faults:
            return None
        drawn = chance(self.plan.seed, "fault", digest, self.attempts[digest])
        for name, share in self.plan.faults.items():
            drawn -= share
            if drawn < 0:
                self.befallen[digest] += 1
                return name
        return None

    def refusal_s(self) -> float | None:
        """Seconds to wait where a limit is reached; None where the call is let through."""
        if self.limiter is None or self.limiter.take(1, time.monotonic()):
            return None
        return self.limiter.wait_s(1, time.monotonic())

    def bill(self, body: Body, reply: Body, fault: str | None, process: int) -> Charge | None:
        """Bills a call, if it is to be billed; before anything is sent, which is the worst for the client."""
        if fault is not None and not FAULTS[fault].is_billed:
            return None
        usd = USD_PER_TOKEN * reply["usage"]["total_tokens"]
        charge = Charge(digest_of(body["messages"]), usd, fault is None or FAULTS[fault].is_reply, process)
        self.charges.append(charge)
        return charge

    def reply(self, body: Body) -> dict[str, Any]:
        """The whole reply to a body."""
        text = said.strong_reply(self.plan.world, body["messages"])
        prompt_tokens, completion_tokens = num_prompt_tokens(body), len(text.split())
        if self.plan.is_dear:
            num_bytes = sum(len(message["content"].encode()) for message in body["messages"])
            prompt_tokens = num_bytes + TOKENS_A_MESSAGE * (len(body["messages"]) + 1)
            completion_tokens = body.get("max_tokens") or len(text.split())
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }


def digest_of(messages: list[dict[str, str]]) -> str:
    """A name for a conversation."""
    return json.dumps([[message["role"], message["content"]] for message in messages])
