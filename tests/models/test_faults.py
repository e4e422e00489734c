"""Every fault of an endpoint has one outcome: tried again, this request fails, or everything stops at once."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import BrokenReplyError, CompletionError, CowestError, EndpointError, TransientEndpointError
from cowest.judge import ModelJudge
from cowest.models import Metered, ModelConfig, limits, load_model
from cowest.models.limits import EndpointLimits
from cowest.models.providers.scripted import ScriptedModel
from cowest.models.retrying import Retrying
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest, Message
from tests.endpoint import FAULTS, Behaviour, serving
from tests.worlds import ScoreBy, chance, gamble, gambler, judge_reply, right_or_wrong, sums

Ask = Callable[..., ChatRequest]

RATE_LIMITS = ["rate_limited", "rate_limited_retry_after"]
OUTAGES = [
    "server_error", "bad_gateway", "unavailable", "unavailable_retry_after", "timeout", "reset", "cut_off",
    "error_as_reply",
]  # fmt: skip
BROKEN = ["malformed", "no_finish_reason", "empty"]
FAILS_ALONE = ["content_filter", "prompt_filtered", "refusal", "bad_request"]
STOPS = {
    "wrong_key": "api_key_env",
    "forbidden": "may use this model",
    "unknown_model": "model's name",
    "no_quota": "quota",
    "no_balance": "balance",
    "redirect": "redirects",
}


@pytest.fixture(autouse=True)
def nothing_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port may come again in another test, and must not bring its limits."""
    monkeypatch.setattr(limits, "_shared", {})


class Time:
    """Waits pass at once and are counted."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def load(url: str, **settings: Any) -> tuple[Metered, Time]:
    """The whole chain of a recipe's model, with waits that pass at once."""
    time = Time()
    model = load_model(ModelConfig(model="openai/m", base_url=url, **settings), role="strong")
    retrying = model.connection.model
    assert isinstance(retrying, Retrying)
    shared: EndpointLimits = retrying.model.model.limits  # type: ignore[attr-defined]
    retrying._sleep = shared._sleep = time.sleep
    shared._clock = time.clock
    return model, time


def test_the_table_is_whole() -> None:
    assert {*RATE_LIMITS, *OUTAGES, *BROKEN, *FAILS_ALONE, *STOPS, "length"} == set(FAULTS)


@pytest.mark.parametrize("fault", [*RATE_LIMITS, *OUTAGES, *BROKEN])
def test_what_passes_is_tried_again(fault: str, ask: Ask) -> None:
    with serving(Behaviour(fault_of=lambda body, attempt: fault if attempt <= 2 else None)) as served:
        model, time = load(served.url, timeout_s=0.3 if fault == "timeout" else 30)
        completion = asyncio.run(model.complete(ask("four")))
    assert completion.text == "Answer: 4"
    assert served.counts.calls == 3
    assert model.num_calls == 1
    assert time.now >= 2.0 if fault.endswith("retry_after") else time.now > 0.1


@pytest.mark.parametrize(
    ("faults", "error", "num_calls"), [(OUTAGES, TransientEndpointError, 8), (BROKEN, BrokenReplyError, 5)]
)
def test_what_does_not_pass_is_given_up(faults: list[str], error: type[CowestError], num_calls: int, ask: Ask) -> None:
    for fault in faults:
        if fault == "timeout":
            continue  # eight times a real wait
        with serving(Behaviour(faults={fault: 1.0})) as served:
            model, _ = load(served.url)
            with pytest.raises(error, match="Given up after") as caught:
                asyncio.run(model.complete(ask()))
        assert type(caught.value) is error
        assert served.counts.calls == num_calls


def test_a_rate_limit_that_never_lifts_ends(ask: Ask) -> None:
    with serving(Behaviour(faults={"rate_limited": 1.0})) as served:
        model, time = load(served.url)
        with pytest.raises(EndpointError, match="let no call through for") as caught:
            asyncio.run(model.complete(ask()))
    assert caught.value.exit_status == 3
    assert 900 < time.now < 1000
    assert served.counts.calls < 40


@pytest.mark.parametrize("fault", FAILS_ALONE)
def test_what_concerns_one_request_fails_it_after_one_call(fault: str, ask: Ask) -> None:
    with serving(Behaviour(faults={fault: 1.0})) as served:
        model, _ = load(served.url)
        with pytest.raises(CompletionError):
            asyncio.run(model.complete(ask()))
    assert served.counts.calls == 1


def test_a_reply_cut_by_its_length_is_a_reply(ask: Ask) -> None:
    with serving(Behaviour(faults={"length": 1.0})) as served:
        model, _ = load(served.url)
        assert asyncio.run(model.complete(ask())).finish_reason == "length"


@pytest.mark.parametrize(("fault", "says"), STOPS.items())
def test_what_is_permanent_stops_everything_before_calls_are_wasted(fault: str, says: str, ask: Ask) -> None:
    async def many(model: Metered) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(64):
                group.create_task(model.complete(ask(f"number {number}")))

    with serving(Behaviour(faults={fault: 1.0})) as served:
        model, _ = load(served.url)
        with pytest.raises(ExceptionGroup) as caught:
            asyncio.run(many(model))
    first = caught.value.exceptions[0]
    assert isinstance(first, EndpointError)
    assert not isinstance(first, TransientEndpointError)
    assert first.exit_status == 3
    assert says in str(first)
    assert served.counts.calls <= 64


class TestFeedback:
    """The same faults in a feedback run of 8 examples; `What is 3 plus 4?` is the one that is hit."""

    @staticmethod
    def gather(out: Path, fault_of: Callable[[Any, int], str | None] | None = None, timeout_s: float = 30) -> Any:
        def reply(body: Any) -> str:
            return gamble("strong", 0.5, ChatRequest(messages=tuple(Message(**turn) for turn in body["messages"])))

        with serving(Behaviour(reply=reply, fault_of=fault_of)) as served:
            model, _ = load(served.url, max_concurrency=16, timeout_s=timeout_s)
            feedback(
                sums(8), weak=gambler("weak", 0.4), strong=model, judge=ScoreBy(right_or_wrong), out=out, samples=4,
                skip_settled=False,
            )  # fmt: skip
        return served.counts

    @staticmethod
    def is_solo(body: Any) -> bool:
        return "Answer: " not in body["messages"][-1]["content"].replace("Answer: <", "")

    @staticmethod
    def rows(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    @pytest.fixture(scope="class")
    def whole(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        out = tmp_path_factory.mktemp("whole")
        assert self.gather(out).calls == 40
        return out

    @pytest.mark.parametrize("fault", [*RATE_LIMITS, *OUTAGES, *BROKEN])
    def test_faults_that_pass_change_nothing(self, fault: str, whole: Path, tmp_path: Path) -> None:
        def at_first(body: Any, attempt: int) -> str | None:
            return fault if attempt == 1 and "What is 3 " in body["messages"][-1]["content"] else None

        counts = self.gather(tmp_path, at_first, timeout_s=1 if fault == "timeout" else 30)
        assert counts.faults[fault] >= 2
        if fault != "timeout":  # on a busy machine a good reply may come too late as well
            assert counts.successes == 40
        for name in ("graded.jsonl", "pairs.jsonl", "failures.jsonl"):
            assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()

    def test_a_quarter_of_faulty_replies_and_a_fifth_of_unreadable_verdicts_change_nothing(
        self, tmp_path: Path
    ) -> None:
        def verdict(request: ChatRequest) -> str:
            key = (request.messages[0].content, request.messages[-1].content, request.sample_index)
            # As a judge that is asked again answers, some time.
            return "no idea" if len(request.messages) == 1 and chance(*key) < 0.2 else judge_reply(request)

        faults = dict.fromkeys(["empty", "malformed", "no_finish_reason", "server_error", "reset"], 0.05)
        counts = {}
        for name, share in (("whole", {}), ("faulty", faults)):

            def reply(body: Any) -> str:
                return gamble("strong", 0.5, ChatRequest(messages=tuple(Message(**turn) for turn in body["messages"])))

            with serving(Behaviour(reply=reply, faults=share)) as served:
                model, _ = load(served.url, max_concurrency=16)
                judge = ModelJudge(ScriptedModel(verdict if share else judge_reply))
                feedback(sums(8), weak=gambler("weak", 0.4), strong=model, judge=judge, out=tmp_path / name, samples=4)
            counts[name] = served.counts
        assert counts["faulty"].successes == counts["whole"].successes
        assert sum(counts["faulty"].faults.values()) > 0.15 * counts["faulty"].calls
        assert counts["faulty"].faults["empty"] > 0
        pairs = [(tmp_path / name / "pairs.jsonl").read_bytes() for name in ("whole", "faulty")]
        assert pairs[0] == pairs[1] != b""

    @pytest.mark.parametrize("fault", [*FAILS_ALONE, *BROKEN, "server_error"])
    def test_a_request_that_fails_costs_its_example_or_its_draft(self, fault: str, whole: Path, tmp_path: Path) -> None:
        for kind in ("solo", "refined"):

            def hit(body: Any, attempt: int, kind: str = kind) -> str | None:
                text = body["messages"][-1]["content"]
                return fault if "What is 3 " in text and (kind == "solo") == self.is_solo(body) else None

            self.gather(tmp_path / kind, hit)
        failures = self.rows(tmp_path / "solo/failures.jsonl")
        assert [row["example_id"] for row in failures] == ["sum-3"]
        assert len(failures[0]["reason"]) > 20
        others = [row for row in self.rows(whole / "graded.jsonl") if row["example_id"] != "sum-3"]
        assert self.rows(tmp_path / "solo/graded.jsonl") == others
        graded = self.rows(tmp_path / "refined/graded.jsonl")
        assert [row for row in graded if row["example_id"] != "sum-3"] == others
        (struck,) = (row for row in graded if row["example_id"] == "sum-3")
        assert [draft["verdict"]["score"] for draft in struck["drafts"]] == [None] * 4
        assert all(draft["verdict"]["unscored_reason"] and draft["gain"] is None for draft in struck["drafts"])

    @pytest.mark.parametrize("fault", STOPS)
    def test_a_permanent_fault_stops_the_run_which_then_goes_on(self, fault: str, whole: Path, tmp_path: Path) -> None:
        seen = [0]

        def after_twenty(body: Any, attempt: int) -> str | None:
            seen[0] += 1
            return fault if seen[0] > 20 else None

        with pytest.raises(EndpointError) as caught:
            self.gather(tmp_path, after_twenty)
        assert caught.value.exit_status == 3
        # The calls in flight, and what replies to them set off before the failure is heard; the clock decides how many.
        assert seen[0] <= 20 + 2 * 16
        assert not (tmp_path / "pairs.jsonl").exists()
        # The address of the endpoint is part of a call's key, and the port is another now: only the result is equal.
        self.gather(tmp_path)
        for name in ("graded.jsonl", "pairs.jsonl", "failures.jsonl"):
            assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
