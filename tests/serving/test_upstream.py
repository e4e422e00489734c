"""Strong models that are no OpenAI endpoint, and what the recipe sets for one that is."""

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.models.providers.scripted import ScriptedModel
from cowest.serving import make_app
from cowest.types import ChatRequest
from tests.endpoint import FAULTS
from tests.serving.served import DRAFT, World, events, question, recipe_of, running, served
from tests.serving.upstream import CUT, END, StrongEndpoint, chunk

KEY = "sk-upstream-secret"


class Local:
    """A served pair of which both models are scripted."""

    def __init__(self, url: str, strong: ScriptedModel) -> None:
        self.world = World(url, StrongEndpoint(), strong)
        self.strong = strong


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Any:
    recipe = recipe_of(str(tmp_path_factory.mktemp("runs") / "pair"), {"model": "scripted/tests.worlds:strong_reply"})

    def script(request: ChatRequest) -> Any:
        errors = {
            "unusable": CompletionError("The prompt of big at http://10.0.0.5:80/v1 is too long."),
            "broken": EndpointError("no such host x"),
        }
        hit = [error for word, error in errors.items() if word in request.messages[-1].content]
        return hit[0] if hit else f"Answer: {request.sample_index}"

    strong = ScriptedModel(script)
    with running(make_app(recipe, Collaboration(ScriptedModel(lambda request: DRAFT), strong))) as url:
        yield Local(url, strong)


def test_sampling_and_choices_reach_a_model_in_process(local: Local) -> None:
    local.strong.requests.clear()
    reply = local.world.post(question(n=2, temperature=0, max_tokens=5, stop=["a", "b"], seed=3, user="u")).json()
    assert [choice["message"]["content"] for choice in reply["choices"]] == ["Answer: 0", "Answer: 1"]
    sent = local.strong.requests[0].sampling
    assert (sent.temperature, sent.max_tokens, sent.stop) == (0, 5, ("a", "b"))
    assert reply["usage"]["completion_tokens"] == 2 + 2 + len(DRAFT.split())


def test_texts_that_are_sent_n_times_count_n_times(local: Local) -> None:
    text = "a" * 100_000
    assert local.world.post(question(text, n=5)).status_code == 200
    refused = local.world.post(question(text, n=12))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "string_above_max_length")


def test_a_model_in_process_streams_in_one_piece(local: Local) -> None:
    raw = events(local.world.post(question(stream=True)).text)
    assert (len(raw), raw[-1]) == (3, "[DONE]")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", [{"type": "function"}]),
        ("response_format", {"type": "json_object"}),
        ("logprobs", True),
        ("something_new", 1),
        ("presence_penalty", 0.5),
        ("temperature", 9),
        ("max_tokens", "many"),
        ("stop", 3),
        ("stop", ""),
        ("stop", ["a", ""]),
    ],
)
def test_what_a_model_in_process_cannot_keep_to_is_refused(local: Local, field: str, value: Any) -> None:
    local.strong.requests.clear()
    response = local.world.post(question(**{field: value}))
    assert (response.status_code, response.json()["error"]["param"]) == (400, field)
    assert not local.strong.requests


def test_values_that_ask_for_nothing_are_taken(local: Local) -> None:
    neutral = {"presence_penalty": 0, "logit_bias": {}, "response_format": {"type": "text"}, "logprobs": False}
    assert local.world.post(question(**neutral)).status_code == 200


def test_texts_in_parts_are_joined_and_images_refused(local: Local) -> None:
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {}}]}
    parts = {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    last = question()["messages"]
    assert local.world.post({"model": "pair", "messages": [parts, *last]}).status_code == 200
    assert local.strong.requests[-1].messages[0].content == "a\nb"
    assert local.world.post({"model": "pair", "messages": [image, *last]}).status_code == 400


def test_failures_of_a_model_in_process(local: Local) -> None:
    refused = local.world.post(question("unusable"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_answer")
    assert refused.json()["error"]["message"].endswith("The prompt of big at [address] is too long.")
    failed = local.world.post(question("broken"))
    assert (failed.status_code, failed.json()["error"]["message"]) == (502, "The model failed.")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPSTREAM_KEY", KEY)
        strong = {
            "api_key_env": "UPSTREAM_KEY", "options": {"reasoning_effort": "low"},
            "sampling": {"temperature": 0.5, "max_tokens": 99},
        }  # fmt: skip
        with served(str(tmp_path_factory.mktemp("runs") / "pair"), strong=strong) as world:
            yield world


def test_the_recipes_settings_hold_where_a_request_says_nothing(keyed: World) -> None:
    keyed.strong.reset()
    keyed.post(question()).raise_for_status()
    keyed.post(question(temperature=0.1, max_completion_tokens=7)).raise_for_status()
    first, second = keyed.strong.asked
    assert (first["temperature"], first["max_tokens"], first["reasoning_effort"]) == (0.5, 99, "low")
    assert (second["temperature"], second["max_completion_tokens"], "max_tokens" in second) == (0.1, 7, False)
    assert keyed.strong.heard[0]["authorization"] == f"Bearer {KEY}"


def test_the_recipes_options_cannot_be_changed(keyed: World) -> None:
    keyed.strong.reset()
    assert keyed.post(question(reasoning_effort="low")).status_code == 200
    refused = keyed.post(question(reasoning_effort="high"))
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "reasoning_effort")
    assert len(keyed.strong.asked) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_that_the_endpoint_sends_back_stays_here(keyed: World, stream: bool) -> None:
    keyed.strong.reset()
    keyed.strong.reply = lambda body: f"You sent {KEY}"
    text = keyed.post(question(stream=stream)).text
    assert "[key]" in text
    assert KEY not in text


def test_a_key_that_is_spread_over_chunks_stays_here(keyed: World) -> None:
    keyed.strong.reset()
    pieces = ["You sent ", KEY[:1], KEY[1:9], KEY[9:] + ". Yours", " is s"]
    keyed.strong.stream = [*(chunk(piece) for piece in pieces), chunk(finish_reason="stop")]
    *chunks, done = events(keyed.post(question(stream=True)).text)
    deltas = [json.loads(data)["choices"][0]["delta"] for data in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == "You sent [key]. Yours is s"
    assert done == "[DONE]"


def test_a_chunk_that_is_nested_too_deeply_to_look_for_the_key_ends_with_an_error(keyed: World) -> None:
    keyed.strong.reset()
    deep = b'{"choices": [{"index": 0, "delta": {"more": ' + b"[" * 600 + b"]" * 600 + b"}}]}"
    keyed.strong.stream = [chunk("half a"), b"data: " + deep + b"\n\n"]
    assert json.loads(events(keyed.post(question(stream=True)).text)[-1])["error"]["code"] == "upstream_cut_off"


def test_a_refusal_shows_neither_key_nor_address(keyed: World) -> None:
    keyed.strong.reset()
    said = f"{KEY} at http://10.0.0.5:8000/v1 (gpu-7:8000): the prompt is too long"
    keyed.strong.refusal = {"message": said, "code": said, "param": said, "type": KEY}
    response = keyed.post(question())
    assert response.status_code == 422
    for name in ("message", "code", "param"):
        assert response.json()["error"][name] == "[key] at [address] ([address]): the prompt is too long"
    assert KEY not in response.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_in_finish_reason_and_tokens_stays_here(keyed: World, stream: bool) -> None:
    keyed.strong.reset()
    spelled = {"content": [{"token": part, "logprob": -1.0} for part in (KEY[:5], KEY[5:])]}
    choice = {"index": 0, "finish_reason": KEY, "logprobs": spelled}
    keyed.strong.more = {"choices": [choice | {"message": {"role": "assistant", "content": "fine"}}]}
    keyed.strong.stream = [chunk("fine") | {"choices": [choice | {"delta": {"content": "fine"}}]}]
    text = keyed.post(question(stream=stream)).text
    assert "fine" in text
    assert '"finish_reason":"other"' in text
    assert KEY not in text
    assert KEY[5:] not in text


@pytest.mark.parametrize("role", ["weak", "strong"])
def test_a_budget_is_not_silently_ignored(tmp_path: Path, role: str) -> None:
    recipe = recipe_of(str(tmp_path), {"model": "scripted/tests.worlds:strong_reply"})
    changed = getattr(recipe, role).model_copy(update={"budget_usd": 1.0})
    with pytest.raises(InputError, match=rf"{role}\.budget_usd=null"):
        make_app(recipe.model_copy(update={role: changed}), Collaboration(ScriptedModel([]), ScriptedModel([])))


def hide(texts: list[str]) -> tuple[list[str], Any]:
    return [text.replace("Ann", "[NAME]") for text in texts], lambda reply: reply.replace("[NAME]", "Ann")


@pytest.mark.parametrize("stream", [False, True])
def test_redaction_holds_while_serving(tmp_path: Path, stream: bool) -> None:
    redacting = {"redact": "tests.serving.test_upstream:hide"}
    with served(str(tmp_path / "pair"), strong=redacting) as world:
        world.say(lambda request: "Ann is well.")
        world.strong.reply = lambda body: "[NAME] is fine."
        assert "Ann is fine." in world.post(question("Is Ann well?", stream=stream)).text
        assert "Ann" not in str(world.strong.asked)


def test_fields_that_the_recipe_allows_are_passed_on(tmp_path: Path) -> None:
    with served(str(tmp_path / "pair"), allow_fields=["chat_template_kwargs"]) as world:
        asked = question(chat_template_kwargs={"enable_thinking": False})
        assert world.post(asked).status_code == 200
        assert world.strong.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
        assert world.post(asked | {"provider": {}}).json()["error"]["param"] == "provider"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seconds", [1.5, pytest.param(600, marks=pytest.mark.slow)])
def test_mixed_load_with_random_faults_leaves_nothing_behind(tmp_path: Path, seconds: float) -> None:
    """Every request ends, in an answer or an error that says so; no slot stays taken and no connection open."""
    dice = random.Random(0)
    faults = sorted(FAULTS.keys() - {"timeout"})
    streams: list[Any] = [None, None, [chunk("a"), CUT], [chunk("a"), END], [chunk("a"), b"data: {\n\n"]]
    outcomes: Counter[str] = Counter()
    with served(str(tmp_path / "pair"), max_concurrency=6) as world:

        def change(request: ChatRequest) -> Any:
            world.strong.fault = dice.choice([None, None, *faults])
            world.strong.stream = dice.choice(streams)
            world.weak.requests.clear()
            world.strong.asked.clear()
            world.strong.heard.clear()
            return dice.choice([DRAFT, DRAFT, EndpointError("gone")])

        world.say(change)
        deadline = time.monotonic() + seconds

        def is_over() -> bool:
            # A busy machine needs longer to see all that may happen.
            has_seen_all = len(outcomes) == 3 and outcomes.total() > 60
            return time.monotonic() > (deadline if has_seen_all else deadline + 20)

        def client(seed: int) -> None:
            own = random.Random(seed)
            while not is_over():
                stream = own.random() < 0.5
                response = world.post(question(stream=stream))
                raw = events(response.text)
                if response.status_code != 200:
                    outcomes["error"] += 1
                elif stream and raw[-1] != "[DONE]":
                    assert json.loads(raw[-1])["error"]
                    outcomes["broken"] += 1
                else:
                    assert stream or response.json()["choices"][0]["finish_reason"]
                    outcomes["whole"] += 1

        before = num_open_files()
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(client, seed) for seed in range(8)]:
                done.result(seconds + 50)
        assert world.comes_to("cowest_in_flight", 0)
        assert num_open_files() - before < 40, "some connections are kept, but not one a request"
    assert set(outcomes) == {"whole", "broken", "error"}
    assert outcomes.total() > 60


def num_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
