"""A scripted endpoint for `scale.py`: a limit of calls a second, seconds of latency, and little processor time a call.

python benchmarks/scale_endpoint.py --port 8009 --limit 500 --latency 5

GET answers with what it has seen so far: when calls were let through, how many were refused, and its processor time.
"""

import argparse
import asyncio
import json
import time
from typing import Any

from tests.endpoint.limiters import make_limiter
from tests.virtual_feedback import reply
from tests.worlds import chance

_HEAD_END = b"\r\n\r\n"


class Counts:
    """What the endpoint has seen."""

    def __init__(self, limit_per_s: float | None) -> None:
        self.limiter = make_limiter("bucket", limit_per_s, 0.1) if limit_per_s else None
        self.started: list[float] = []
        self.refused = self.in_flight = self.most_in_flight = 0

    def takes(self, now: float) -> bool:
        if self.limiter is not None and not self.limiter.take(1, now):
            self.refused += 1
            return False
        self.started.append(now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return True

    def so_far(self) -> dict[str, Any]:
        return {
            "started": self.started,
            "refused": self.refused,
            "most_in_flight": self.most_in_flight,
            "cpu_s": time.process_time(),
        }


class Connection(asyncio.Protocol):
    """One connection, on which one request follows the other."""

    def __init__(self, counts: Counts, latency_s: float) -> None:
        self._counts = counts
        self._latency_s = latency_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(_HEAD_END)
        if not end:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(rest) < (num_bytes := int(length or 0)):
            return
        self._received = rest[num_bytes:]
        if head.startswith(b"GET"):
            self._send(200, self._counts.so_far())
        elif self._counts.takes(time.monotonic()):
            answer = reply(json.loads(rest[:num_bytes]))
            latency = 0.5 + chance("latency", len(self._counts.started))
            asyncio.get_running_loop().call_later(self._latency_s * latency, self._answer, answer)
        else:
            self._send(429, {"error": {"message": "Too many.", "type": "requests"}})

    def _answer(self, answer: dict[str, Any]) -> None:
        self._counts.in_flight -= 1
        self._send(200, answer)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._transport.write(head.encode() + content)


async def serve(port: int, limit_per_s: float | None, latency_s: float) -> None:
    counts = Counts(limit_per_s)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(counts, latency_s), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--limit", type=float)
    parser.add_argument("--latency", type=float, default=5.0)
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.limit, given.latency))


if __name__ == "__main__":
    main()
