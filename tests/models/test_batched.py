"""Calls through the batch interface, with the real client against a loopback server."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cowest import synchronous
from cowest.cli.main import main
from cowest.errors import (
    BrokenReplyError,
    BudgetError,
    CompletionError,
    CowestError,
    EndpointError,
    InputError,
    RateLimitError,
    TransientEndpointError,
)
from cowest.ledger import Ledger
from cowest.models import ModelConfig, _batch_interface, _batch_lines, batched, load_model
from cowest.models.batched import Batched
from cowest.models.budgeted import Budgeted
from cowest.models.connection import Connection
from cowest.models.metered import Metered
from cowest.models.providers.openai import OpenAIModel
from cowest.models.retrying import Retrying
from cowest.pipeline import Pipeline, models
from cowest.pricing import cost_usd
from cowest.progress import progress_bar
from cowest.recipe import make_recipe
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest, Completion, Usage
from tests.endpoint.batches import Batches, Body, Row
from tests.worlds import chance, gambler, sums

Ask = Callable[..., ChatRequest]
KEY = "sk-very-secret-key"
PATIENCE_S = 60


async def answer(body: Body) -> tuple[int, Body]:
    """A strong model that is right by chance, and, at temperature 0, a judge that scores by chance."""
    text = body["messages"][-1]["content"]
    luck = chance("reply", text)
    said = str(1 + int(10 * luck)) if body["temperature"] == 0 else f"Explanation: {luck:.6f}\nAnswer: {int(9 * luck)}"
    return 200, reply(said)


def reply(text: str | None, finish_reason: str = "stop") -> Body:
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }  # fmt: skip


@dataclass
class Endpoint:
    url: str
    batches: Batches
    num_single_calls: int = 0


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint("", Batches(answer))

    async def single(request: web.Request) -> web.Response:
        found.num_single_calls += 1
        status, body = await answer(await request.json())
        return web.json_response(body, status=status)

    app = web.Application(client_max_size=2**28)
    app.router.add_post("/v1/chat/completions", single)
    found.batches.add_to(app)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield found
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


class Watched(Batched):
    """Waits for nothing, and notes what it was asked and how long it would have waited."""

    def __init__(self, endpoint: Endpoint, path: Path | None = None, **settings: Any) -> None:
        config = ModelConfig(model="openai/m", base_url=endpoint.url, api_key_env="OPENAI_API_KEY", timeout_s=10)
        super().__init__(OpenAIModel.from_config(config, 0), path, **({"sleep": self.no_wait} | settings))
        self.num_asked = 0
        self.waits: list[float] = []

    async def no_wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def complete(self, request: ChatRequest) -> Completion:
        self.num_asked += 1
        return await super().complete(request)


def texts_of(model: Batched, requests: list[ChatRequest]) -> list[str]:
    return [found.text for found in outcomes(model, requests) if isinstance(found, Completion)]


def outcomes(model: Batched, requests: list[ChatRequest]) -> list[Completion | BaseException]:
    async def all_of_them() -> list[Completion | BaseException]:
        found = await asyncio.gather(*map(model.complete, requests), return_exceptions=True)
        await model.close()
        return found

    return synchronous.run(all_of_them())


def failures(model: Batched, requests: list[ChatRequest]) -> list[CowestError]:
    return [found for found in outcomes(model, requests) if isinstance(found, CowestError)]


@pytest.fixture
def requests(ask: Ask) -> list[ChatRequest]:
    return [ask(f"question {number}") for number in range(6)]


def expected(requests: list[ChatRequest]) -> list[str]:
    bodies = [{"messages": [{"content": each.messages[0].content}], "temperature": 1.0} for each in requests]
    return [asyncio.run(answer(body))[1]["choices"][0]["message"]["content"] for body in bodies]


def wait_until(moment: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not moment():
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.002)


class TestOneBatch:
    def test_everyone_gets_their_own_reply(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        assert texts_of(Watched(endpoint), requests) == expected(requests)
        assert endpoint.batches.sizes == [6]
        assert endpoint.num_single_calls == 0

    def test_a_line_holds_what_a_single_call_would_send(self, endpoint: Endpoint, ask: Ask) -> None:
        config = ModelConfig(model="openai/m", base_url=endpoint.url, options={"reasoning_effort": "low"})
        request = ask("hi", temperature=0.5, top_p=0.9, max_tokens=7, stop=("x",))
        texts_of(Batched(OpenAIModel.from_config(config, 0), sleep=Watched(endpoint).no_wait), [request])
        (batch,) = endpoint.batches.batches.values()
        assert batch.rows[0]["body"] == {
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.9,
            "max_tokens": 7, "stop": ["x"], "reasoning_effort": "low",
        }  # fmt: skip

    def test_usage_and_time_are_those_of_the_line_and_the_batch(self, endpoint: Endpoint, ask: Ask) -> None:
        (found,) = outcomes(Watched(endpoint), [ask()])
        assert isinstance(found, Completion)
        assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (1000, 100)
        assert (found.latency_s, found.cost_usd) == (7.0, None)

    def test_it_costs_the_list_price_of_batches(self, ask: Ask) -> None:
        openai = OpenAIModel.from_config(ModelConfig(model="openai/gpt-4.1"), 0)
        row = {"response": {"status_code": 200, "body": reply("hello")}, "error": None}
        paid = openai.batch_reply(row, 1.0).cost_usd
        alone = cost_usd(Usage(prompt_tokens=1000, completion_tokens=100), model="gpt-4.1")
        assert paid is not None
        assert alone is not None
        assert paid == pytest.approx(alone / 2)

    def test_samples_of_one_prompt_are_apart_and_equal_requests_share(self, endpoint: Endpoint, ask: Ask) -> None:
        assert len(texts_of(Watched(endpoint), [ask("a", 0), ask("a", 1), ask("a", 0)])) == 3
        assert endpoint.batches.sizes == [2]

    def test_the_next_round_is_another_batch(self, endpoint: Endpoint, ask: Ask) -> None:
        async def two_rounds(model: Batched) -> list[str]:
            async def work(number: int) -> str:
                first = await model.complete(ask(f"first {number}"))
                return (await model.complete(ask(first.text + str(number)))).text

            return await asyncio.gather(*map(work, range(4)))

        assert len(set(asyncio.run(two_rounds(Watched(endpoint))))) == 4
        assert endpoint.batches.sizes == [4, 4]

    def test_polls_come_less_and_less_often(self, endpoint: Endpoint, ask: Ask) -> None:
        model = Watched(endpoint)
        endpoint.batches.open_.clear()

        async def patient(seconds: float) -> None:
            model.waits.append(seconds)
            if len(model.waits) > 14:
                endpoint.batches.open_.set()
            await asyncio.sleep(0)

        model.sleep = patient
        texts_of(model, [ask()])
        settling, *polls = model.waits
        assert settling == batched.SETTLE_S
        assert polls[0] == _batch_interface.FIRST_POLL_S
        assert polls == sorted(polls)
        assert polls[-1] == _batch_interface.MAX_POLL_S

    def test_what_is_waited_for_is_shown(
        self, endpoint: Endpoint, requests: list[ChatRequest], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with progress_bar("feedback", total=6, quiet=True) as bar:
            shown: list[str] = []
            model = Watched(endpoint)

            async def look(seconds: float) -> None:
                shown.append(bar.details())
                await asyncio.sleep(0)

            model.sleep = look
            texts_of(model, requests)
        assert "waiting for batches 1 requests in them 6 answered 0" in shown
        assert bar.details() == ""


class TestLimits:
    def test_too_many_requests_become_several_batches(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        assert texts_of(Watched(endpoint, max_requests=4), requests) == expected(requests)
        assert endpoint.batches.sizes == [4, 2]

    def test_too_many_bytes_become_several_batches(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "question 0"}], "temperature": 1.0}
        room = 2 * len(_batch_lines.line("0" * 32, body))
        endpoint.batches.max_bytes = room
        assert texts_of(Watched(endpoint, max_bytes=room), requests) == expected(requests)
        assert endpoint.batches.sizes == [2, 2, 2]

    def test_what_the_account_may_not_have_waiting_goes_in_parts(
        self, endpoint: Endpoint, requests: list[ChatRequest]
    ) -> None:
        endpoint.batches.max_waiting = 2
        assert texts_of(Watched(endpoint), requests) == expected(requests)
        assert set(endpoint.batches.answered.values()) == {1}
        assert sorted(size for size in endpoint.batches.sizes if size <= 2) == [1, 1, 2, 2]

    def test_a_batch_waits_for_another_to_make_room(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        batches = endpoint.batches
        batches.max_waiting = 3
        batches.open_.clear()

        async def until_one_is_refused(seconds: float) -> None:
            if any(batch.shown["status"] == "failed" for batch in batches.batches.values()):
                batches.open_.set()
            await asyncio.sleep(0)

        assert texts_of(Watched(endpoint, max_requests=3, sleep=until_one_is_refused), requests) == expected(requests)
        assert set(batches.answered.values()) == {1}
        assert batches.sizes == [3, 3, 3]

    def test_no_room_for_even_one_ends(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        endpoint.batches.max_waiting = 0
        found = failures(Watched(endpoint), requests)
        assert len(found) == 6
        assert all("so many tokens waiting" in str(error) and error.exit_status == 3 for error in found)


class TestLines:
    def outcome(self, endpoint: Endpoint, request: ChatRequest, *lines: Row | None) -> Completion | BaseException:
        """What comes of a request whose lines in the batches one after the other are these; then all is well."""
        left = list(lines)

        def line_of(row: Row, line: Row) -> Row | None:
            if not left:
                return line
            changed = left.pop(0)
            return None if changed is None else line | changed

        endpoint.batches.line_of = line_of
        return outcomes(Watched(endpoint), [request])[0]

    @pytest.mark.parametrize(
        "line",
        [
            {"response": {"status_code": 429, "body": {"error": {"message": "slow down", "code": "rate_limit"}}}},
            {"response": {"status_code": 503, "body": "busy"}},
            {"response": None, "error": {"code": "batch_expired", "message": "too late"}},
            {"response": None, "error": {"code": "server_error", "message": "oh"}},
        ],
    )
    def test_what_may_pass_is_sent_again(self, endpoint: Endpoint, ask: Ask, line: Row) -> None:
        assert isinstance(self.outcome(endpoint, ask(), line, line), Completion)
        assert endpoint.batches.sizes == [1, 1, 1]
        found = self.outcome(endpoint, ask(), line, line, line)
        assert isinstance(found, TransientEndpointError)
        assert "Given up after 3 batches" in str(found)

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ({"response": {"status_code": 400, "body": {"error": {"message": "too long"}}}}, "400.*too long"),
            ({"response": {"status_code": 200, "body": reply("", "stop")}}, "empty reply"),
            ({"response": {"status_code": 200, "body": reply("x", "content_filter")}}, "filtered"),
            ({"response": {"status_code": 200, "body": {**reply("x"), "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "x"}}]}}}, "without a finish reason"),
            ({"response": None, "error": {"code": "odd", "message": "never heard of it"}}, "odd.*never heard of it"),
            ({"response": "?"}, "no reply"),
        ],
    )  # fmt: skip
    def test_what_is_refused_is_one_requests_failure(self, endpoint: Endpoint, ask: Ask, line: Row, said: str) -> None:
        found = self.outcome(endpoint, ask(), line)
        assert isinstance(found, CompletionError)
        with pytest.raises(CompletionError, match=said):
            raise found
        assert endpoint.batches.sizes == [1]

    @pytest.mark.parametrize(
        ("status", "error", "said"),
        [
            (401, {"message": f"bad key {KEY}"}, "Check the key"),
            (429, {"message": "no money", "code": "insufficient_quota"}, "quota or balance"),
            (404, {"message": "no such model"}, "Check the model's name"),
        ],
    )
    def test_what_will_not_pass_ends_the_run(
        self, endpoint: Endpoint, ask: Ask, status: int, error: Body, said: str
    ) -> None:
        found = self.outcome(endpoint, ask(), {"response": {"status_code": status, "body": {"error": error}}})
        assert isinstance(found, EndpointError)
        assert not isinstance(found, TransientEndpointError)
        assert said in str(found)
        assert KEY not in str(found)

    @pytest.mark.parametrize("ending", ["completed", "expired", "cancelled"])
    def test_a_line_that_is_not_json_costs_only_itself_and_may_be_billed(
        self, endpoint: Endpoint, requests: list[ChatRequest], ending: str
    ) -> None:
        store = endpoint.batches._store
        files: list[bytes] = []

        def break_the_second(content: bytes) -> str:
            files.append(content)
            if len(files) == 2:  # the first file is the one that went up
                content = b"{half a li\n\n" + content.partition(b"\n")[2]
            return store(content)

        endpoint.batches._store = break_the_second  # type: ignore[method-assign]
        endpoint.batches.endings, endpoint.batches.is_reached = [ending], lambda place: True
        found = outcomes(Watched(endpoint), requests)
        assert [type(each) for each in found] == [Completion] * 5 + [BrokenReplyError]
        assert isinstance(found[-1], BrokenReplyError)
        assert found[-1].may_be_billed
        assert endpoint.batches.sizes == [6]

    def test_a_request_without_a_line_may_be_billed_where_the_batch_came_to_all(
        self, endpoint: Endpoint, ask: Ask
    ) -> None:
        found = self.outcome(endpoint, ask(), None)
        assert isinstance(found, BrokenReplyError)
        assert found.may_be_billed
        assert endpoint.batches.sizes == [1]

    @pytest.mark.parametrize("ending", ["expired", "cancelled"])
    def test_a_request_without_a_line_is_sent_again_where_the_batch_ended_early(
        self, endpoint: Endpoint, ask: Ask, ending: str
    ) -> None:
        endpoint.batches.endings = [ending]
        assert isinstance(self.outcome(endpoint, ask(), None), Completion)
        assert endpoint.batches.sizes == [1, 1]


class TestEndings:
    @pytest.mark.parametrize("ending", ["expired", "cancelled"])
    def test_partial_results_are_kept(self, endpoint: Endpoint, requests: list[ChatRequest], ending: str) -> None:
        endpoint.batches.endings = [ending]
        assert texts_of(Watched(endpoint), requests) == expected(requests)
        assert endpoint.batches.sizes == [6, 3]
        assert set(endpoint.batches.answered.values()) == {1}

    def test_what_never_comes_is_given_up(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        endpoint.batches.endings = ["expired"] * 9
        endpoint.batches.is_reached = lambda place: False
        found = failures(Watched(endpoint), requests)
        assert endpoint.batches.sizes == [6, 6, 6]
        assert all("Given up after 3 batches" in str(error) and error.exit_status == 3 for error in found)

    def test_failed_validation(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        endpoint.batches.endings = ["failed"]
        endpoint.batches.refusals = [{"code": "model_not_found", "message": f"no model m, {KEY}", "line": 1}]
        found = failures(Watched(endpoint), requests)
        assert len(found) == 6
        assert all(type(error) is EndpointError for error in found)
        assert "refused its file (model_not_found: no model m, [key])" in str(found[0])
        assert endpoint.batches.sizes == [6]

    def test_failed_without_a_reason_may_pass(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        endpoint.batches.endings = ["failed"]
        endpoint.batches.refusals = []
        assert texts_of(Watched(endpoint), requests) == expected(requests)
        assert endpoint.batches.sizes == [6, 6]


class TestEndpoint:
    def test_wrong_key(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        endpoint.batches.key = "another"
        found = failures(Watched(endpoint), requests)
        assert "Check the key in the variable that api_key_env names" in str(found[0])
        assert (found[0].exit_status, KEY in str(found[0])) == (3, False)
        assert endpoint.batches.asked == {"POST /v1/files": 1}

    @pytest.mark.parametrize("status", [404, 405, 501])
    def test_endpoint_without_the_interface(self, endpoint: Endpoint, ask: Ask, status: int) -> None:
        endpoint.batches.refuse = lambda request: web.json_response({}, status=status)
        (found,) = failures(Watched(endpoint), [ask()])
        assert type(found) is EndpointError
        assert "has no files and batches interface" in str(found)
        assert "Leave out `batch: true`" in str(found)

    def test_refused_file(self, endpoint: Endpoint, ask: Ask) -> None:
        endpoint.batches.max_bytes = 1
        (found,) = failures(Watched(endpoint), [ask()])
        assert type(found) is EndpointError
        assert "too large. It was the file of a batch" in str(found)

    def test_passing_faults_are_waited_out(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        num_refused = {"POST": 0, "GET": 0}

        def refuse(request: web.Request) -> web.Response | None:
            num_refused[request.method] += 1
            odd = num_refused[request.method] % 2
            return web.json_response({}, status=503, headers={"Retry-After": "99"}) if odd else None

        endpoint.batches.refuse = refuse
        model = Watched(endpoint)
        assert texts_of(model, requests) == expected(requests)
        assert endpoint.batches.sizes == [6]
        assert 99 in model.waits

    @pytest.mark.parametrize("asked", ["9" * 400, "99999999"])
    def test_no_wait_is_longer_than_a_quarter_of_an_hour(
        self, endpoint: Endpoint, requests: list[ChatRequest], asked: str
    ) -> None:
        refusals = [web.json_response({}, status=503, headers={"Retry-After": asked})]
        endpoint.batches.refuse = lambda request: refusals.pop() if refusals else None
        model = Watched(endpoint)
        assert texts_of(model, requests) == expected(requests)
        assert max(model.waits) == 900

    def test_a_fault_that_lasts_ends(self, endpoint: Endpoint, ask: Ask) -> None:
        endpoint.batches.refuse = lambda request: web.json_response({}, status=500)
        (found,) = failures(Watched(endpoint), [ask()])
        assert isinstance(found, TransientEndpointError)
        assert endpoint.batches.asked == {"POST /v1/files": 30}

    def test_a_rate_limit_that_lasts_ends(self, endpoint: Endpoint, ask: Ask) -> None:
        endpoint.batches.refuse = lambda request: web.json_response({}, status=429)

        async def run() -> None:
            model = Watched(endpoint)
            try:
                await Retrying(model, repeats=(BrokenReplyError,), sleep=model.no_wait).complete(ask())
            finally:
                await model.close()

        with pytest.raises(RateLimitError):
            asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
        assert endpoint.batches.asked == {"POST /v1/files": 30}

    def test_a_lost_reply_to_create_does_not_make_two(self, endpoint: Endpoint, requests: list[ChatRequest]) -> None:
        endpoint.batches.lose_replies_to_create = 1
        assert texts_of(Watched(endpoint), requests) == expected(requests)
        assert endpoint.batches.sizes == [6]


class TestRestart:
    def start(self, endpoint: Endpoint, path: Path, requests: list[ChatRequest]) -> None:
        """A process that ends while its batch is under way."""

        async def until_submitted() -> None:
            model = Watched(endpoint, path)
            work = asyncio.gather(*map(model.complete, requests), return_exceptions=True)
            while not endpoint.batches.asked["GET /v1/batches/{id}"]:
                await asyncio.sleep(0.002)
            work.cancel()
            await model.close()

        endpoint.batches.open_.clear()
        asyncio.run(until_submitted())
        endpoint.batches.open_.set()

    def test_a_submitted_batch_is_waited_for(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "batches.jsonl"
        self.start(endpoint, path, requests)
        assert endpoint.batches.sizes == [6]
        assert texts_of(Watched(endpoint, path), requests) == expected(requests)
        assert endpoint.batches.sizes == [6]

    def test_only_what_is_new_is_sent(self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path) -> None:
        path = tmp_path / "batches.jsonl"
        self.start(endpoint, path, requests[:4])
        assert texts_of(Watched(endpoint, path), requests) == expected(requests)
        assert endpoint.batches.sizes == [4, 2]

    def test_a_crash_before_the_id_was_kept_does_not_pay_twice(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "batches.jsonl"
        self.start(endpoint, path, requests)
        intent, created = path.read_text().splitlines()
        assert "requests" in intent
        path.write_text(intent + "\n" + created[:10])
        assert texts_of(Watched(endpoint, path), requests) == expected(requests)
        assert endpoint.batches.sizes == [6]
        assert [len(json.loads(line)) for line in path.read_text().splitlines() if line.endswith("}")] == [3, 2]

    def test_a_crash_before_the_batch_was_made_sends_it(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "batches.jsonl"
        self.start(endpoint, path, requests)
        path.write_text(path.read_text().splitlines()[0] + "\n")
        endpoint.batches.batches.clear()
        assert texts_of(Watched(endpoint, path), requests) == expected(requests)
        assert endpoint.batches.sizes == [6]

    def test_failures_of_an_earlier_process_are_not_kept(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "batches.jsonl"
        endpoint.batches.endings = ["expired"]
        self.start(endpoint, path, requests)
        assert texts_of(Watched(endpoint, path), requests) == expected(requests)
        assert endpoint.batches.sizes == [6, 3]
        assert set(endpoint.batches.answered.values()) == {1}

    def test_a_batch_the_endpoint_has_forgotten_is_said(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "batches.jsonl"
        self.start(endpoint, path, requests)
        (batch_id,) = endpoint.batches.batches
        endpoint.batches.batches.clear()
        found = failures(Watched(endpoint, path), requests)
        assert f"no longer knows the batch {batch_id}" in str(found[0])
        path.write_text("\n".join(line for line in path.read_text().splitlines() if batch_id not in line))
        assert texts_of(Watched(endpoint, path), requests) == expected(requests)

    def test_without_a_place_nothing_is_kept(self, endpoint: Endpoint, ask: Ask) -> None:
        async def twice() -> None:
            model = Watched(endpoint)
            for _ in range(2):
                await model.complete(ask())

        asyncio.run(twice())
        assert endpoint.batches.sizes == [1, 1]

    def test_the_record_holds_neither_key_nor_text(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "batches.jsonl"
        texts_of(Watched(endpoint, path), requests)
        assert KEY not in path.read_text()
        assert "question" not in path.read_text()


class TestFeedback:
    """Whole runs: the same pairs with and without batches."""

    NUM_EXAMPLES = 20

    def gather(self, out: Path, strong: Any, ledger: Ledger | None = None) -> dict[str, Any]:
        weak = gambler("weak", 0.4)
        feedback(
            sums(self.NUM_EXAMPLES), weak=weak, strong=strong, out=out, ledger=ledger, num_in_flight=self.NUM_EXAMPLES
        )
        summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
        return summary

    def rounds(self, folder: Path) -> list[int]:
        """Requests of each round, from what was graded: z, verdicts, then a wave of 4 drafts and one of the 5th."""
        graded = [json.loads(line) for line in (folder / "graded.jsonl").read_text().splitlines()]
        waves = [sum(min(4, len(row["drafts"])) for row in graded), sum(len(row["drafts"]) == 5 for row in graded)]
        return [len(graded), len(graded), waves[0], waves[0], waves[1], waves[1]]

    def test_pairs_are_those_of_single_calls(self, endpoint: Endpoint, tmp_path: Path) -> None:
        config = ModelConfig(model="openai/m", base_url=endpoint.url, api_key_env="OPENAI_API_KEY")
        single = self.gather(tmp_path / "single", config)
        rounds = self.rounds(tmp_path / "single")
        assert single["num_pairs"] > 10
        assert single["calls_saved"]["solo_perfect"] > 0
        assert endpoint.num_single_calls == sum(rounds) == single["calls"]["strong"] + single["calls"]["judge"]

        async def until_all_of_a_round_wait(seconds: float) -> None:
            sent = sum(endpoint.batches.sizes)
            ends = [sum(rounds[:count]) for count in range(1, len(rounds) + 1)]
            while seconds == batched.SETTLE_S and model.num_asked < min(end for end in ends if end > sent):
                await asyncio.sleep(0.001)

        model = Watched(endpoint, tmp_path / "batched/batches.jsonl", sleep=until_all_of_a_round_wait)
        in_batches = self.gather(tmp_path / "batched", model)
        for name in ("pairs.jsonl", "graded.jsonl", "failures.jsonl"):
            assert (tmp_path / "batched" / name).read_bytes() == (tmp_path / "single" / name).read_bytes(), name
        assert endpoint.batches.sizes == rounds
        assert set(endpoint.batches.answered.values()) == {1}
        assert in_batches["calls"] == single["calls"]

    def recipe(self, folder: Path, endpoint: Endpoint, **strong: Any) -> list[str]:
        path = folder.with_suffix(".yaml")
        path.write_text(
            json.dumps(
                {
                    "run": str(folder),
                    "task": {
                        "name": "tests.worlds:Sums",
                        "train": str(self.NUM_EXAMPLES),
                        "test": "8",
                        "overlap": "keep",
                    },
                    "weak": {"model": "scripted/tests.worlds:weak_reply"},
                    "strong": {"model": "openai/m", "base_url": endpoint.url, "api_key_env": "OPENAI_API_KEY"} | strong,
                }
            )
        )
        return ["feedback", str(path)]

    def test_killed_and_started_again(
        self, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert main(self.recipe(tmp_path / "single", endpoint)) == 0
        quick = (
            "import sys; from cowest.cli.main import main; from cowest.models import batched, _batch_interface as wire;"
            "batched.SETTLE_S = wire.FIRST_POLL_S = wire.MAX_POLL_S = 0.02; sys.exit(main(sys.argv[1:]))"
        )
        command = self.recipe(tmp_path / "run", endpoint, batch=True)
        endpoint.batches.open_.clear()
        process = subprocess.Popen([sys.executable, "-c", quick, *command], stderr=subprocess.DEVNULL)
        with contextlib.ExitStack() as stack:
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until(lambda: sum(endpoint.batches.sizes) == self.NUM_EXAMPLES)
            wait_until(lambda: endpoint.batches.asked["GET /v1/batches/{id}"] > 0)
            assert process.poll() is None
        endpoint.batches.open_.set()
        for module, name in ((batched, "SETTLE_S"), (_batch_interface, "FIRST_POLL_S")):
            monkeypatch.setattr(module, name, 0.02)
        assert main(command) == 0
        sent = [row["custom_id"] for batch in endpoint.batches.batches.values() for row in batch.rows]
        assert len(sent) == len(set(sent)) == endpoint.num_single_calls
        pairs = [(tmp_path / run / "round-1/feedback/pairs.jsonl").read_bytes() for run in ("single", "run")]
        assert pairs[0] == pairs[1] != b""

    def test_a_run_may_go_on_without_batches(self, endpoint: Endpoint, tmp_path: Path) -> None:
        """Replies are the same either way, so the ledger's are taken."""
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            self.gather(tmp_path / "batched", Watched(endpoint, tmp_path / "batches.jsonl"), ledger)
            config = ModelConfig(model="openai/m", base_url=endpoint.url, api_key_env="OPENAI_API_KEY")
            self.gather(tmp_path / "single", config, ledger)
        assert endpoint.num_single_calls == 0


class TestBudget:
    """What is in a batch is booked once, however often the process is started again."""

    worst_usd = 100.0

    def open(self, endpoint: Endpoint, path: Path, ledger: Ledger, num_requests: int, num_worst: int) -> Metered:
        """The model with a budget of so many worst cases; a batch goes when so many requests have come."""

        async def settle(seconds: float) -> None:
            while seconds == batched.SETTLE_S and model.num_asked < num_requests:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)

        config = ModelConfig.model_validate(
            {"model": "openai/m", "base_url": endpoint.url, "price": {"input": 0, "output": 1e6}}
        )
        model = Watched(endpoint, path, sleep=settle)
        model._provider = OpenAIModel.from_config(config, 0)
        budget = Budgeted(
            model, num_worst * self.worst_usd, cost=config.cost_usd, max_tokens=100, was_sent=model.was_sent
        )
        repeated = Retrying(budget, repeats=(BrokenReplyError,), sleep=model.no_wait)
        return Metered(Connection(model, repeated, budget), "strong", ledger)

    def stop(self, endpoint: Endpoint, model: Metered, requests: list[ChatRequest], *, when_sent: bool) -> None:
        ledger = model.ledger
        assert ledger is not None

        async def until_stopped() -> None:
            work = asyncio.gather(*map(model.complete, requests), return_exceptions=True)
            while when_sent and not endpoint.batches.asked["GET /v1/batches/{id}"]:
                await asyncio.sleep(0.002)
            while not when_sent and ledger.num_open() < len(requests):
                await asyncio.sleep(0.002)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await model.close()

        endpoint.batches.open_.clear()
        asyncio.run(until_stopped())
        endpoint.batches.open_.set()

    def finish(self, model: Metered, requests: list[ChatRequest]) -> list[Completion | BaseException]:
        async def all_of_them() -> list[Completion | BaseException]:
            found = await asyncio.gather(*map(model.complete, requests), return_exceptions=True)
            await model.close()
            return found

        return synchronous.run(all_of_them())

    def test_a_batch_that_is_waited_for_is_booked_once(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        for _ in range(2):
            with Ledger(tmp_path / "ledger.sqlite") as ledger:
                self.stop(endpoint, self.open(endpoint, tmp_path / "b", ledger, 6, 6), requests, when_sent=True)
                assert ledger.bookings.possibly_billed_usd() == {"strong": 6 * self.worst_usd}
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            model = self.open(endpoint, tmp_path / "b", ledger, 6, 5)  # lowered: what is paid is fetched all the same
            found = self.finish(model, requests)
            assert [type(each) for each in found] == [Completion] * 6
            assert endpoint.batches.sizes == [6]
            assert ledger.bookings.possibly_billed_usd() == {}

    @pytest.mark.parametrize("is_killed", [False, True])
    def test_a_reply_that_cannot_be_used_is_booked_once_however_often_the_run_is_started(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path, is_killed: bool
    ) -> None:
        lines = [{"response": {"status_code": 200, "body": reply("", "stop")}}]
        endpoint.batches.line_of = lambda row, line: line | lines.pop() if lines else line
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            if is_killed:
                self.stop(endpoint, self.open(endpoint, tmp_path / "b", ledger, 1, 1), requests[:1], when_sent=True)
            (found,) = self.finish(self.open(endpoint, tmp_path / "b", ledger, 1, 1), requests[:1])
            assert isinstance(found, BudgetError)
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            (found,) = self.finish(self.open(endpoint, tmp_path / "b", ledger, 1, 2), requests[:1])
            assert isinstance(found, Completion)
            assert endpoint.batches.sizes == [1, 1]
            assert ledger.bookings.possibly_billed_usd() == {"strong": self.worst_usd}

    def test_a_reply_that_never_comes_is_a_call_of_the_budget_each_time(
        self, endpoint: Endpoint, ask: Ask, tmp_path: Path
    ) -> None:
        endpoint.batches.line_of = lambda row, line: None
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            (found,) = self.finish(self.open(endpoint, tmp_path / "b", ledger, 1, 2), [ask()])
            assert isinstance(found, BudgetError)
            assert endpoint.batches.sizes == [1, 1]
            assert ledger.bookings.possibly_billed_usd() == {"strong": 2 * self.worst_usd}

    @pytest.mark.parametrize("status", [401, 404, 503])
    def test_a_batch_that_cannot_be_asked_for_stays_booked(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path, status: int
    ) -> None:
        def refuse(request: web.Request) -> web.Response | None:
            return web.json_response({}, status=status) if "/v1/batches/" in request.path else None

        endpoint.batches.refuse = refuse
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            model = self.open(endpoint, tmp_path / "b", ledger, 6, 6)
            assert all(isinstance(each, EndpointError) for each in self.finish(model, requests))
            assert ledger.bookings.possibly_billed_usd() == {"strong": 6 * self.worst_usd}
            assert model.connection.budget is not None
            assert model.connection.budget.spent_usd == 6 * self.worst_usd
        endpoint.batches.refuse = lambda request: None
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            found = self.finish(self.open(endpoint, tmp_path / "b", ledger, 6, 6), requests)
            assert [type(each) for each in found] == [Completion] * 6
            assert endpoint.batches.sizes == [6]
            assert ledger.bookings.possibly_billed_usd() == {}

    @pytest.mark.parametrize(
        ("refused", "status", "num_booked"),
        [("/v1/files", 401, 0), ("/v1/files", 504, 0), ("/v1/batches", 401, 0), ("/v1/batches", 504, 6)],
    )
    def test_a_batch_that_was_not_made_is_not_booked_but_one_that_may_have_been_is(
        self,
        endpoint: Endpoint,
        requests: list[ChatRequest],
        tmp_path: Path,
        refused: str,
        status: int,
        num_booked: int,
    ) -> None:
        def refuse(request: web.Request) -> web.Response | None:
            return web.json_response({}, status=status) if request.path == refused else None

        endpoint.batches.refuse = refuse
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            model = self.open(endpoint, tmp_path / "b", ledger, 6, 6)
            assert all(isinstance(each, EndpointError) for each in self.finish(model, requests))
            booked = {"strong": num_booked * self.worst_usd} if num_booked else {}
            assert ledger.bookings.possibly_billed_usd() == booked
        endpoint.batches.refuse = lambda request: None
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            found = self.finish(self.open(endpoint, tmp_path / "b", ledger, 6, 6), requests)
            assert [type(each) for each in found] == [Completion] * 6
            assert ledger.bookings.possibly_billed_usd() == {}

    @pytest.mark.parametrize("depth", [0, 2])
    def test_a_new_call_waits_for_what_an_earlier_process_has_booked(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path, depth: int
    ) -> None:
        async def cheap(body: Body) -> tuple[int, Body]:
            return 200, reply("x") | {"usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}}

        async def nested(model: Metered, depth: int) -> list[Any]:
            work = [nested(model, depth - 1)] if depth else map(model.complete, requests[1:])
            return await asyncio.gather(*work, return_exceptions=True)

        async def new_call_first(model: Metered) -> Completion:
            first, _ = await asyncio.gather(model.complete(requests[0]), nested(model, depth))
            await model.close()
            return first

        endpoint.batches.answer = cheap
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            self.stop(endpoint, self.open(endpoint, tmp_path / "b", ledger, 5, 5), requests[1:], when_sent=True)
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            model = self.open(endpoint, tmp_path / "b", ledger, 5, 5)
            assert synchronous.run(new_call_first(model)).text == "x"
        assert endpoint.batches.sizes == [5, 1]

    def test_what_was_never_sent_is_not_booked(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            self.stop(endpoint, self.open(endpoint, tmp_path / "b", ledger, 7, 6), requests, when_sent=False)
            assert ledger.bookings.possibly_billed_usd() == {}

    def test_a_reply_to_an_earlier_process_that_cannot_be_used_counts_beside_the_next(
        self, endpoint: Endpoint, requests: list[ChatRequest], tmp_path: Path
    ) -> None:
        cut_off = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}}]}
        lines = [{"response": {"status_code": 200, "body": reply("x") | cut_off}}]
        endpoint.batches.line_of = lambda row, line: line | lines.pop() if lines else line
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            self.stop(endpoint, self.open(endpoint, tmp_path / "b", ledger, 1, 2), requests[:1], when_sent=True)
            (found,) = self.finish(self.open(endpoint, tmp_path / "b", ledger, 1, 2), requests[:1])
            assert isinstance(found, Completion)
            assert endpoint.batches.sizes == [1, 1]
            assert ledger.bookings.possibly_billed_usd() == {"strong": self.worst_usd}


class TestRecipe:
    def test_the_record_lies_beside_the_ledger(self, endpoint: Endpoint, tmp_path: Path) -> None:
        config = ModelConfig(model="openai/m", base_url=endpoint.url, batch=True)
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            retrying = load_model(config, role="strong", ledger=ledger).connection.model
        assert isinstance(retrying, Retrying)
        model = retrying.model
        assert isinstance(model, Batched)
        assert model.path == tmp_path / "ledger.batches.jsonl"
        assert model.identity == OpenAIModel.from_config(config, 0).identity

    def test_a_model_without_the_interface_is_refused(self) -> None:
        config = ModelConfig(model="scripted/tests.worlds:weak_reply", batch=True)
        with pytest.raises(InputError, match=r"batch is set.*has no files and batches interface.*Leave batch out"):
            load_model(config, role="strong")

    def test_all_examples_are_in_flight_at_once(self, endpoint: Endpoint, tmp_path: Path) -> None:
        def num_in_flight(**sections: Any) -> int | None:
            data = {
                "run": str(tmp_path),
                "task": {"name": "tests.worlds:Sums", "train": "9", "test": "9", "overlap": "keep"},
            }
            data |= {"weak": {"model": "openai/w"}, "strong": {"model": "openai/m", "max_concurrency": 4}}
            with Pipeline(make_recipe(data | sections)) as pipeline:
                return models.num_in_flight(pipeline.recipe, 9)

        assert num_in_flight() is None  # as many as the endpoints take
        assert num_in_flight(strong={"model": "openai/m", "batch": True, "max_concurrency": 4}) == 9
        assert num_in_flight(judge={"model": "openai/j", "batch": True}) == 9
