"""How an endpoint behaves, and what it has seen."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.endpoint.limiters import Limiter, make_limiter
from tests.worlds import chance

Body = dict[str, Any]


@dataclass
class Counts:
    """What an endpoint got and gave. `served` counts whole replies by a digest of the request's body."""

    calls: int = 0
    successes: int = 0
    refused: int = 0
    """429s of the limits, which are not among the faults."""
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    success_times: list[float] = field(default_factory=list)
    """Seconds (monotonic) of each whole reply."""


@dataclass
class Behaviour:
    """How an endpoint behaves; may be changed while it runs.

    Attributes:
        latency_s: time that a reply takes; a 429 comes at once unless `slow_refusals`.
        requests_per_s, tokens_per_s: its limits; None where there is none.
        burst_s: how many seconds' worth of calls it lets through at once.
        limiter: "bucket" refills evenly, "window" counts the calls of the last `burst_s`, "fixed" starts a new count
            every `burst_s`.
        retry_after: whether a 429 says how long to wait: None, "seconds" (whole ones, as most do) or "ms".
        headers: whether replies carry OpenAI's x-ratelimit-* headers.
        faults: share of calls that each fault of `FAULTS` befalls, decided by seed, body and attempt alone.
        fault_of: decides instead of `faults`: from body and attempt (1, 2, ...) to a fault's name or None.
        faults_are_counted: whether a call that a fault befalls takes from the limits.
        reply: the text of a reply.
        key: the only key that is let in; None lets everyone in.
        known_models: the models it has; None has every model.
    """

    latency_s: float = 0.0
    requests_per_s: float | None = None
    tokens_per_s: float | None = None
    burst_s: float = 1.0
    limiter: Literal["bucket", "window", "fixed"] = "bucket"
    slow_refusals: bool = False
    retry_after: Literal["seconds", "ms"] | None = None
    headers: bool = False
    faults: Mapping[str, float] = field(default_factory=dict)
    fault_of: Callable[[Body, int], str | None] | None = None
    faults_are_counted: bool = False
    reply: Callable[[Body], str] = lambda body: f"Answer: {len(body['messages'][-1]['content'])}"
    key: str | None = None
    known_models: frozenset[str] | None = None
    hang_s: float = 3600.0
    seed: int = 0
    counts: Counts = field(default_factory=Counts)
    attempts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.requests = self._limiter(self.requests_per_s)
        self.tokens = self._limiter(self.tokens_per_s)

    def fault(self, body: Body, digest: str) -> str | None:
        """The fault that befalls this attempt at a body."""
        self.attempts[digest] += 1
        attempt = self.attempts[digest]
        if self.fault_of is not None:
            return self.fault_of(body, attempt)
        drawn = chance(self.seed, digest, attempt)
        for name, share in self.faults.items():
            drawn -= share
            if drawn < 0:
                return name
        return None

    def _limiter(self, rate: float | None) -> Limiter | None:
        return None if rate is None else make_limiter(self.limiter, rate, self.burst_s)


def digest_of(body: Body) -> str:
    """A name for a body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
