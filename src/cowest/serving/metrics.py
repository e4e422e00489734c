"""Prometheus metrics of the server: counts and times by model id, never a text."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The series of one server.

    Attributes:
        requests: by model id and outcome: "ok", "degraded", "refused" (the request's fault, or overload), "failed"
            (a model's fault) or "gone" (the client disconnected or was too slow).
        degraded: answers without one of the models, by the missing model and the reason.
        gate: decisions of the gate: "draft", "strong" or "both".
        tokens: by role and kind; those of a stream only where the endpoint reports them.
        drafts, first_tokens, answers: seconds until the draft, the first chunk of the answer, and its end.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("cowest_requests", "Requests by outcome.", ("model", "outcome"), registry=self.registry)
        self.degraded = Counter(
            "cowest_degraded", "Answers without one of the two models.", ("missing", "reason"), registry=self.registry
        )
        self.gate = Counter("cowest_gate", "Decisions of the gate.", ("arm",), registry=self.registry)
        self.tokens = Counter("cowest_tokens", "Tokens of the models.", ("role", "kind"), registry=self.registry)
        self.record_failures = Counter(
            "cowest_record_failures", "Answers that could not be recorded.", registry=self.registry
        )
        self.in_flight = Gauge(
            "cowest_in_flight", "Requests in work.", registry=self.registry, multiprocess_mode="livesum"
        )
        self.drafts = self._seconds("draft", "Seconds until the draft.")
        self.first_tokens = self._seconds("first_token", "Seconds until the first piece of the answer.")
        self.answers = self._seconds("answer", "Seconds until the end of the answer.")

    def text(self) -> bytes:
        """All series in Prometheus' text format; of all workers together, where there are several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _seconds(self, name: str, what: str) -> Histogram:
        return Histogram(f"cowest_{name}_seconds", what, registry=self.registry, buckets=_SECONDS)
