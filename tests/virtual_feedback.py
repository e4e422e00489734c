"""A round of feedback in virtual time, against an endpoint of so many calls a second that takes seconds for each.

Provider, HTTP client, limits, ledger and stage are the real ones. The clock is virtual, the network is a function, and
the ledger's thread takes its turns in the loop, a millisecond after each write.
"""

import asyncio
import contextlib
import json
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, overload
from unittest import mock

import httpx2
import openai
from looptime import LoopTimeEventLoop

from cowest import progress
from cowest.judge import BaseJudge
from cowest.ledger import calls, writer
from cowest.models import ModelConfig, limits
from cowest.models.config import Price
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest, Completion, Example, Sampling, Verdict
from tests.endpoint.limiters import Limiter, make_limiter
from tests.worlds import Sums, chance

Result = TypeVar("Result")
WORDS = 150
"""Of a reply, about: a graded example of two drafts is then about as long as a real one."""


@dataclass
class Setting:
    """What is simulated.

    Attributes:
        limit_per_s: calls a second that each endpoint lets through; None knows no limit.
        is_told: whether the recipe says so.
        latency_s: of a reply on average; each takes from half to one and a half of it.
        num_endpoints: that serve the model.
        max_concurrency: of the recipe.
        model_judges: whether the strong model judges; else a function does, and an example takes half the calls.
    """

    num_queries: int
    samples: int = 2
    limit_per_s: float | None = 500.0
    is_told: bool = True
    latency_s: float = 5.0
    num_endpoints: int = 1
    max_concurrency: int | None = None
    model_judges: bool = True


class _Drafter(ScriptedModel):
    """Keeps no request."""

    async def complete(self, request: ChatRequest) -> Completion:
        self.requests.clear()
        return await super().complete(request)


class _Dice(BaseJudge):
    name = "dice"

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        return Verdict(score=1 + int(10 * chance("score", output)))


@dataclass
class Measured:
    """What was found.

    Attributes:
        started: virtual seconds at which calls were let through, in order.
        refused: calls that were not.
        most_in_flight: at all endpoints.
        cpu_s: processor time of everything, the simulation included.
        by_endpoint: calls that each let through.
    """

    started: list[float] = field(default_factory=list)
    refused: int = 0
    most_in_flight: int = 0
    cpu_s: float = 0.0
    by_endpoint: Counter[str] = field(default_factory=Counter)

    def per_s(self, since: float, until: float) -> float:
        """Calls a second that were let through in a span of virtual time."""
        return (bisect(self.started, until) - bisect(self.started, since)) / (until - since)


class Queries(Sequence[Example]):
    """Sums with a long text around them, each made when it is asked for."""

    def __init__(self, num: int) -> None:
        self._num = num

    def __len__(self) -> int:
        return self._num

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._num))]
        if not 0 <= index < self._num:
            raise IndexError(index)
        query = f"What is {index} plus {index + 1}?" + " The sum is asked for." * 30
        return Example(id=f"sum-{index}", query=query, references=(str(2 * index + 1),))


def run(setting: Setting, out: Path) -> Measured:
    """Runs the round; its files are in `out`."""
    measured = Measured()
    before = asyncio.get_event_loop_policy()
    cpu_s = time.process_time()
    try:
        with _virtual(setting, measured):
            annotate(setting, out, [f"http://127.0.0.{number + 1}:9/v1" for number in range(setting.num_endpoints)])
    finally:
        asyncio.set_event_loop_policy(before)
    measured.cpu_s = time.process_time() - cpu_s
    return measured


def annotate(setting: Setting, out: Path, urls: Sequence[str]) -> None:
    """The round itself, with the strong model at `urls`."""
    with progress.quietly():
        feedback(
            Queries(setting.num_queries),
            weak=_Drafter(_draft, name="scripted/weak", identity="weak"),
            strong=_strong(setting, urls),
            judge=None if setting.model_judges else _Dice(),
            out=out,
            samples=setting.samples,
            skip_settled=False,
            strong_sampling=Sampling(max_tokens=400),
            task=Sums(),
            load_pairs=False,
        )


def _strong(setting: Setting, urls: Sequence[str]) -> ModelConfig:
    told = setting.limit_per_s * 60 if setting.limit_per_s and setting.is_told else None
    return ModelConfig(
        model="openai/strong",
        base_url=tuple(urls) if len(urls) > 1 else urls[0],
        requests_per_minute=told,
        max_concurrency=setting.max_concurrency,
        price=Price(input=1.0, output=4.0),
    )


class _Loop(LoopTimeEventLoop, asyncio.SelectorEventLoop):
    pass


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self) -> None:
        super().__init__()
        self.loop: _Loop | None = None

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        self.loop = _Loop(start=1000.0, noop_cycles=0)
        return self.loop

    def now(self) -> float:
        return 1000.0 if self.loop is None else self.loop.time()


@contextlib.contextmanager
def _virtual(setting: Setting, measured: Measured) -> Iterator[None]:
    policy = _Policy()
    asyncio.set_event_loop_policy(policy)

    def client(**settings: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(**settings, transport=_Transport(setting, measured, policy.now))

    with contextlib.ExitStack() as stack:
        for name in ("monotonic", "perf_counter"):
            stack.enter_context(mock.patch.object(time, name, policy.now))
        clocks = limits.EndpointLimits.__init__.__kwdefaults__
        stack.enter_context(mock.patch.dict(clocks, clock=policy.now))
        stack.enter_context(mock.patch.dict(limits._shared, clear=True))
        stack.enter_context(mock.patch.object(openai, "DefaultAioHttpClient", client))
        turned = SimpleNamespace(Lock=writer.threading.Lock, Thread=_NoThread)
        stack.enter_context(mock.patch.object(writer, "threading", turned))
        stack.enter_context(mock.patch.object(calls, "BatchWriter", _TurnedWriter))
        yield


class _NoThread:
    """The ledger's writer: its work is done in the loop, the rest at the end."""

    def __init__(self, target: Callable[[], None], **_: Any) -> None:
        self._target: Callable[[], None] | None = target

    def start(self) -> None:
        pass

    def join(self) -> None:
        target, self._target = self._target, None
        if target is not None:
            target()


class _TurnedWriter(writer.BatchWriter):
    _is_due = False

    async def write(self, work: Callable[[Any], Result]) -> Result:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(0.001, self._turn)
        return await super().write(work)

    def write_now(self, work: Callable[[Any], Result]) -> Result:
        done = self._submit(work)
        self._turn()
        return done.result()

    def _turn(self) -> None:
        self._is_due = False
        while not self._writes.empty() and (batch := self._next_batch()) is not None:
            self._commit(batch)


class _Transport(httpx2.AsyncBaseTransport):
    _in_flight = 0

    def __init__(self, setting: Setting, measured: Measured, now: Callable[[], float]) -> None:
        self._setting = setting
        self._measured = measured
        self._now = now
        limit = setting.limit_per_s
        self._limiter: Limiter | None = make_limiter("bucket", limit, 0.1) if limit else None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        now, measured = self._now(), self._measured
        if self._limiter is not None and not self._limiter.take(1, now):
            measured.refused += 1
            return httpx2.Response(429, json={"error": {"message": "Too many.", "type": "requests"}}, request=request)
        measured.started.append(now)
        measured.by_endpoint[request.url.host] += 1
        _Transport._in_flight += 1
        measured.most_in_flight = max(measured.most_in_flight, _Transport._in_flight)
        try:
            body = json.loads(request.content)
            latency = 0.5 + chance("latency", len(measured.started))
            await asyncio.sleep(self._setting.latency_s * latency)
            return httpx2.Response(200, json=reply(body), request=request)
        finally:
            _Transport._in_flight -= 1


def _draft(request: ChatRequest) -> str:
    text = request.messages[-1].content
    return f"Explanation: {'the draft says ' * (WORDS // 3)}{request.sample_index}.\nAnswer: {chance(text) > 0.5}"


def reply(body: dict[str, Any]) -> dict[str, Any]:
    """What the strong model replies."""
    asked = body["messages"][-1]["content"]
    if "OUTPUT>>>" in asked:
        text = str(1 + int(10 * chance("score", asked)))
    else:
        explanation = f"{'it is because ' * (WORDS // 3)}{chance(asked):.6f}."
        text = f"Explanation: {explanation}\nAnswer: {int(9 * chance('answer', asked))}"
    num_words = len(asked.split())
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "strong",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": num_words, "completion_tokens": WORDS, "total_tokens": num_words + WORDS},
    }
