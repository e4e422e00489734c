"""The server under test on loopback, in a thread of this process."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from cowest.collaboration import Collaboration
from cowest.models.providers.scripted import Reply, ScriptedModel
from cowest.recipe import make_recipe
from cowest.serving import make_app
from cowest.serving.running import Server, listen
from cowest.serving.tracing import Tracing
from cowest.serving_config import ServeConfig
from cowest.types import ChatRequest
from tests.endpoint import serving
from tests.serving.upstream import StrongEndpoint

CLIENT = httpx2.Client(timeout=30, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
DRAFT = "Explanation: a draft. Answer: 41"


@dataclass
class World:
    """A served pair: what its models do may be changed between requests."""

    url: str
    strong: StrongEndpoint
    weak: ScriptedModel
    draft: list[Any] = field(default_factory=list)

    def say(self, script: Callable[[ChatRequest], Any]) -> None:
        """What the weak model drafts from now on."""
        self.draft[:] = [script]

    def post(self, body: Any = None, *, path: str = "/v1/chat/completions", **headers: str) -> httpx2.Response:
        """A request without any client's help; a body that is no bytes is sent as JSON."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            told = {"content-type": "application/json"} | told
            return CLIENT.post(self.url + path, content=body, headers=told)
        return CLIENT.post(self.url + path, json=body, headers=told)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return CLIENT.get(self.url + path, headers=headers)

    def metric(self, line: str) -> float:
        """The value of one series; 0 where there is none yet."""
        found = [row for row in self.get("/metrics").text.splitlines() if row.startswith(line + " ")]
        return float(found[0].split()[-1]) if found else 0.0

    def comes_to(self, line: str, value: float) -> bool:
        """Whether a series comes to a value: a request is counted when its answer has left already."""
        return until(lambda: self.metric(line) == value)


def recipe_of(run: str, strong: dict[str, Any], **serve: Any) -> Any:
    data = {
        "run": run,
        "task": {"name": "tests.worlds:Sums"},
        "weak": {"model": "scripted/tests.worlds:weak_reply", "sampling": {"max_tokens": 64}},
        "strong": strong,
        "serve": serve,
    }
    return make_recipe(data)


@contextlib.contextmanager
def running(app: Any, config: ServeConfig | None = None) -> Iterator[str]:
    """Runs an application; yields its address."""
    config = config or ServeConfig()
    started = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = Server(app, config, config.max_connections, started.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        assert started.wait(10)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@contextlib.contextmanager
def served(
    run: str,
    *,
    key: str | None = None,
    strong: dict[str, Any] | None = None,
    tracing: Tracing | None = None,
    **serve: Any,
) -> Iterator[World]:
    """A run whose weak model is scripted and whose strong model is a scripted endpoint."""
    endpoint = StrongEndpoint()
    draft: list[Callable[[ChatRequest], Reply]] = [lambda request: DRAFT]

    def latest(request: ChatRequest) -> Reply:
        return draft[0](request)

    weak = ScriptedModel(latest)
    with serving(endpoint.app()) as upstream:
        section = {"model": "openai/big", "base_url": upstream.url, "timeout_s": 10} | (strong or {})
        recipe = recipe_of(run, section, **{"drain_s": 5} | serve)
        pair = Collaboration(
            weak, recipe.strong, weak_sampling=recipe.weak.sampling, strong_sampling=recipe.strong.sampling
        )
        with running(make_app(recipe, pair, key=key, tracing=tracing), recipe.serve) as url:
            yield World(url, endpoint, weak, draft)


def question(text: str = "What is 20 plus 22?", **more: Any) -> dict[str, Any]:
    return {"model": "pair", "messages": [{"role": "user", "content": text}], **more}


def events(text: str) -> list[str]:
    """The data of each server-sent event."""
    return [part.removeprefix("data: ") for part in text.split("\n\n") if part]


def until(true: Callable[[], bool]) -> bool:
    """Asks again and again, for some seconds at most."""
    deadline = time.monotonic() + 30
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)  # the processor is for what is waited for
    return True
