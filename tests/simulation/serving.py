"""A simulated process that serves: clients of the ASGI application, without sockets, and what they must get."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from cowest.collaboration import Collaboration
from cowest.recipe import make_recipe
from cowest.serving import make_app
from tests.simulation import world as said
from tests.simulation.faults import ODD_TEXT
from tests.simulation.invariants import Violated
from tests.simulation.plan import Plan, World
from tests.simulation.processes import TIMEOUT_S, weak_model
from tests.simulation.server import Server

NUM_CLIENTS = 6
_SLOW_CLIENT_S = 8.0
_LONGEST_S = 200.0
_NAME = "run"


@dataclass
class Client:
    """One request and what came of it.

    Attributes:
        leaves_after_s: when the client disconnects; None where it waits.
        pause_s: how long it takes for each part of the answer.
    """

    query: int
    part: str
    is_stream: bool
    starts_at_s: float
    leaves_after_s: float | None
    pause_s: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False
    took_s: float = 0.0

    async def ask(self, app: Any) -> None:
        """Sends the request and takes the answer."""
        await asyncio.sleep(self.starts_at_s)
        loop = asyncio.get_running_loop()
        started = loop.time()
        body = json.dumps({"model": _NAME + self.part, "stream": self.is_stream, "messages": [_question(self.query)]})
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": body.encode(), "more_body": False}
            if self.leaves_after_s is None:
                await loop.create_future()
            await asyncio.sleep(max(0.0, started + (self.leaves_after_s or 0.0) - loop.time()))
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            await asyncio.sleep(self.pause_s)
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.body += message["body"]
                self.is_whole = not message.get("more_body")

        await app(_scope("POST", "/v1/chat/completions"), receive, send)
        self.took_s = loop.time() - started


def serve(plan: Plan, folder: Path, server: Server, random: Random) -> None:
    """Serves some clients and stops.

    Raises:
        Violated: a client got something wrong, or was kept waiting for too long.
    """
    clients = [_client(plan, random) for _ in range(NUM_CLIENTS)]
    asked_before = sum(server.attempts.values())
    metrics = asyncio.run(_serve(plan, folder, clients, random))
    if sum(server.attempts.values()) - asked_before > len(clients):
        raise Violated("a request was sent to the endpoint twice, and clients do the repeating")
    if server.in_flight or "cowest_in_flight 0.0" not in metrics:
        raise Violated(f"{server.in_flight} calls are still in flight when every client is gone; {metrics[:300]}")
    for client in clients:
        server.statuses[client.status if client.is_whole else 0] += 1
        _check(plan, client)
    recorded = _recorded(folder / "traffic")
    for client in clients:
        if client.status == 200 and client.is_whole and not _is_broken(client):
            answer_id = json.loads(client.body)["id"] if not client.is_stream else _events(client)[0]["id"]
            if recorded.count(answer_id) != 1:
                raise Violated(f"the record holds {recorded.count(answer_id)} rows of an answer")


async def _serve(plan: Plan, folder: Path, clients: Sequence[Client], random: Random) -> str:
    recipe = make_recipe(
        {
            "run": str(folder / _NAME),
            "task": {"name": "tests.worlds:Sums"},
            "weak": {"model": "scripted/tests.worlds:weak_reply"},
            "strong": {
                "model": "openai/strong",
                "base_url": "http://127.0.0.1:9/v1",
                "timeout_s": TIMEOUT_S,
                "max_concurrency": plan.max_concurrency,
            },
            "serve": {
                "max_concurrency": plan.num_in_flight,
                "draft_deadline_s": 2.0,
                "stall_s": 6.0,
                "slow_client_s": _SLOW_CLIENT_S,
                "on_strong_failure": "draft" if plan.seed % 2 else "error",
                "record": {"folder": str(folder / "traffic")},
            },
        }
    )
    app = make_app(recipe, Collaboration(weak_model(plan, random), recipe.strong))
    async with app.router.lifespan_context(app):
        async with asyncio.timeout(_LONGEST_S):
            await asyncio.gather(*(client.ask(app) for client in clients))
        for task in asyncio.all_tasks():  # what was cancelled ends
            if task is not asyncio.current_task():
                await asyncio.sleep(0)
        return (await _get(app, "/metrics")).decode()


def _client(plan: Plan, random: Random) -> Client:
    return Client(
        query=random.choice(plan.world.queries),
        part=random.choice(("", "", "", ":weak", ":strong")),
        is_stream=random.random() < 0.5,
        starts_at_s=random.choice((0.0, random.uniform(0.0, 5.0))),
        leaves_after_s=random.choice((None, None, None, random.uniform(0.0, 8.0))),
        pause_s=random.choice((0.0, 0.0, 0.1, 2 * _SLOW_CLIENT_S)),
    )


def _check(plan: Plan, client: Client) -> None:
    left = client.leaves_after_s is not None or client.pause_s > _SLOW_CLIENT_S
    if not client.is_whole:
        if not left:
            raise Violated(f"a client that waited got half an answer: {client}")
        return
    if client.status != 200:
        error = json.loads(client.body)["error"]
        if client.status not in (400, 429, 502, 504) or not isinstance(error["message"], str):
            raise Violated(f"status {client.status}: {error}")
        if client.status == 429 and int(client.headers["retry-after"]) < 1:
            raise Violated("a refusal without a time to wait")
        return
    if _is_broken(client):
        return
    if client.is_stream:
        text = "".join(each["choices"][0]["delta"].get("content") or "" for each in _events(client))
    else:
        text = json.loads(client.body)["choices"][0]["message"]["content"]
    expected = _expected(plan.world, client)
    # What an endpoint says is passed on, also if it says nothing, or something else.
    passed_on = {name: text_of for name, text_of in (("empty", ""), ("odd", ODD_TEXT)) if name in plan.faults}
    if text not in (*expected, *passed_on.values()):
        raise Violated(f"a client got {text!r}, not one of {expected}")


def _expected(world: World, client: Client) -> list[str]:
    draft, solo = said.draft(world, client.query, 0), said.solo(world, client.query)
    if client.part == ":weak" or client.headers.get("x-cowest-degraded") == "strong":
        return [draft]
    if client.part == ":strong" or client.headers.get("x-cowest-degraded") == "weak":
        return [solo]
    return [said.refined(world, client.query, draft)]


def _is_broken(client: Client) -> bool:
    """Whether a stream ended with an error, as it says itself."""
    if not client.is_stream:
        return False
    if client.body.endswith(b"data: [DONE]\n\n"):
        return False
    last = _events(client)[-1]
    if "error" not in last:
        raise Violated(f"a stream ended with neither [DONE] nor an error: {client.body[-200:]!r}")
    return True


def _events(client: Client) -> list[dict[str, Any]]:
    parts = [part.removeprefix("data: ") for part in client.body.decode().split("\n\n") if part]
    return [json.loads(part) for part in parts if part != "[DONE]"]


def _recorded(folder: Path) -> list[str]:
    return [
        json.loads(line)["id"]
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


async def _get(app: Any, path: str) -> bytes:
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        parts.append(message.get("body", b""))

    await app(_scope("GET", path), receive, send)
    return b"".join(parts)


def _scope(method: str, path: str) -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip


def _question(query: int) -> dict[str, str]:
    return {"role": "user", "content": f"What is {query} plus {query + 1}?"}
