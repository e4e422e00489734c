"""A gated server: who answers what, what it says of it, and the gates it refuses."""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cowest import runs
from cowest.cli.main import main
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, InputError
from cowest.gating import Policy
from cowest.models.providers.scripted import ScriptedModel
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.serving import make_app
from cowest.serving.gate import Gate, gate_of
from cowest.types import Usage
from tests.gating.gated import recipe_of
from tests.methods.quiz import said
from tests.serving.served import World, events, question, served
from tests.serving.upstream import CUT, chunk

TEXT = "Explanation: a draft. Answer: 41"
SURE, UNSURE, LOST = said(TEXT, 0.9), said(TEXT, 0.5), said(TEXT, 0.1)
ARMS = {"draft": SURE, "both": UNSURE, "strong": LOST}
HEARD = "Explanation: heard. Answer: 1"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gated(str(tmp_path_factory.mktemp("runs") / "pair"), on_strong_failure="draft") as world:
        yield world


@contextlib.contextmanager
def gated(folder: str, **serve: Any) -> Iterator[World]:
    gate = Gate(Policy(cuts=(0.3, 0.7), arms=("strong", "both", "draft")))
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cowest.serving.app.gate_of", lambda recipe, pair: gate)
            world = stack.enter_context(served(folder, **serve))
        yield world


def templates() -> dict[str, str]:
    pair = Collaboration(ScriptedModel([]), ScriptedModel([]))
    query = question()["messages"][0]["content"]
    requests = {"strong": pair.solo_request(query), "both": pair.refine_request(query, TEXT)}
    return {arm: request.messages[0].content for arm, request in requests.items()}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("arm", ["draft", "strong", "both"])
def test_the_drafts_confidence_decides_who_answers(world: World, arm: str, stream: bool) -> None:
    world.say(lambda request: ARMS[arm])
    before = world.metric(f'cowest_gate_total{{arm="{arm}"}}')
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    reply = world.post(question(**more), x_cowest_draft="1")
    assert reply.status_code == 200
    assert reply.headers["x-cowest-arm"] == arm
    assert "x-cowest-degraded" not in reply.headers
    assert world.metric(f'cowest_gate_total{{arm="{arm}"}}') == before + 1
    if stream:
        *chunks, done = events(reply.text)
        assert done == "[DONE]"
        parts = [json.loads(each) for each in chunks]
        text = "".join(part["choices"][0]["delta"].get("content") or "" for part in parts if part["choices"])
        usage, shown = parts[-1]["usage"], parts[0]["cowest"]["draft"]
    else:
        body = reply.json()
        text, usage, shown = body["choices"][0]["message"]["content"], body["usage"], body["cowest"]["draft"]
    assert shown == TEXT
    assert text == (TEXT if arm == "draft" else HEARD)
    assert set(usage["cowest"]) == ({"weak"} if arm == "draft" else {"weak", "strong"})
    assert usage["completion_tokens"] == (0 if arm == "draft" else 20)
    asked = [each["messages"][0]["content"] for each in world.strong.asked]
    assert asked == ([] if arm == "draft" else [templates()[arm]])
    assert len(world.weak.requests) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"logprobs": True},
        {"presence_penalty": 1.0},
        {"top_k": 1},
        {"messages": [{"role": "system", "content": "Be brief."}, *question()["messages"]]},
        {
            "messages": [
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": "!"},
                *question()["messages"],
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url"}]}]},
        {"stop": "a draft"},
        {"stop": ["x", "Answer"]},
        {"max_tokens": 2},
        {"max_completion_tokens": 2},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_a_draft_cannot_serve_goes_to_both(world: World, more: dict[str, Any]) -> None:
    world.say(lambda request: SURE.model_copy(update={"usage": Usage(completion_tokens=9)}))
    reply = world.post(question() | more)
    assert (reply.status_code, reply.headers["x-cowest-arm"]) == (200, "both")
    assert len(world.strong.asked) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"n": 1, "temperature": 0.2, "seed": 3, "user": "ann", "presence_penalty": 0, "tools": [], "max_tokens": 64},
        {"stop": ["\n\n"], "response_format": {"type": "text"}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}]}]},
    ],
)
def test_what_asks_for_nothing_more_may_get_the_draft(world: World, more: dict[str, Any]) -> None:
    world.say(lambda request: SURE)
    assert world.post(question() | more).headers["x-cowest-arm"] == "draft"


def test_without_a_confidence_both_answer(world: World) -> None:
    for draft in (TEXT, SURE.model_copy(update={"finish_reason": "length"})):
        world.say(lambda request, draft=draft: draft)  # type: ignore[misc]
        assert world.post(question()).headers["x-cowest-arm"] == "both"


def test_without_a_draft_there_is_nothing_to_decide(world: World) -> None:
    world.say(lambda request: CompletionError("no"))
    reply = world.post(question())
    assert reply.headers["x-cowest-degraded"] == "weak"
    assert "x-cowest-arm" not in reply.headers


def test_the_draft_still_helps_out_where_the_strong_model_fails(world: World) -> None:
    world.say(lambda request: LOST)
    world.strong.stream = [CUT]
    reply = world.post(question(stream=True))
    assert (reply.headers["x-cowest-arm"], reply.headers["x-cowest-degraded"]) == ("strong", "strong")
    assert TEXT.rsplit(maxsplit=1)[-1] in reply.text
    world.strong.stream = [chunk("half"), CUT]
    assert "[DONE]" not in world.post(question(stream=True)).text


def test_the_record_says_who_was_to_answer(tmp_path: Path) -> None:
    with gated(str(tmp_path / "pair"), record={}) as world:
        ids = []
        for said in (*ARMS.values(), CompletionError("no")):
            world.say(lambda request, said=said: said)  # type: ignore[misc]
            ids.append(world.post(question()).json()["id"])
    (file,) = (tmp_path / "pair/traffic").iterdir()
    rows = {row["id"]: (row["arm"], row["missing"]) for row in runs.read_jsonl(file)}
    assert [rows[each] for each in ids] == [*((arm, None) for arm in ARMS), (None, "weak")]


def test_the_single_models_have_no_gate(world: World) -> None:
    world.say(lambda request: SURE)
    for name in ("pair:weak", "pair:strong"):
        assert "x-cowest-arm" not in world.post(question(model=name)).headers


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch, Pipeline(make_recipe(recipe_of(str(folder)))) as pipeline:
        patch.setattr("cowest.pipeline.evaluation.draw_gate", lambda result, path: True)
        pipeline.gate()
    return folder


@pytest.fixture
def calibrated(finished: Path, tmp_path: Path) -> dict[str, Any]:
    shutil.copytree(finished, tmp_path / "run")
    return recipe_of(str(tmp_path / "run"))


def load(data: dict[str, Any]) -> Gate | None:
    pipeline = Pipeline(make_recipe(data))
    return gate_of(pipeline.recipe, pipeline.collaboration(kept=False))


def test_a_gate_of_another_pair_is_replaced_by_force_alone(calibrated: dict[str, Any]) -> None:
    def learned(*, force: bool = False, **changes: Any) -> str:
        with Pipeline(make_recipe(calibrated | changes)) as pipeline, pytest.MonkeyPatch.context() as patch:
            patch.setattr("cowest.pipeline.evaluation.draw_gate", lambda result, path: True)
            return str(pipeline.gate(force=force).policy)

    other = calibrated["strong"] | {"sampling": {"temperature": 0.5}}
    before = (Path(calibrated["run"]) / "gate/gate.json").read_bytes()
    with pytest.raises(InputError, match=r"'gate'.*strong\.sampling.*--force"):
        learned(strong=other)
    assert (Path(calibrated["run"]) / "gate/gate.json").read_bytes() == before
    assert learned(serve={"gate": {"kind": "calibrated", "min_accuracy": 0.5}})  # another target of the same pair
    assert learned(strong=other, force=True)
    assert learned(strong=other)


def test_a_calibrated_gate_is_served(calibrated: dict[str, Any]) -> None:
    gate = load(calibrated)
    assert gate is not None
    assert gate.note is None
    assert gate.policy.arms == ("strong", "both", "draft")
    assert load(calibrated | {"serve": {"gate": "always"}}) is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("weak", {"model": "scripted/tests.gating.gated:silent_reply"}, "weak model: 'scripted/"),
        ("strong", {"model": "scripted/tests.worlds:strong_reply"}, "strong model: 'scripted/"),
        ("format", "direct_answer", "format: 'chain_of_thought', now 'direct_answer'"),
        ("serve", {"gate": {"kind": "calibrated", "min_accuracy": 0.5}}, "serve.gate.min_accuracy: None, now 0.5"),
    ],
)
def test_a_gate_for_something_else_is_refused(calibrated: dict[str, Any], key: str, value: Any, said: str) -> None:
    with pytest.raises(InputError, match="was calibrated for something else") as refused:
        load(calibrated | {key: value})
    assert said in str(refused.value)
    assert "Run `cowest gate` with this recipe" in str(refused.value)


def test_other_prompts_and_prices_are_refused(calibrated: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/refine.txt").write_text("{{ query }} {{ draft }}")
    with pytest.raises(InputError, match=r"prompts\.refine"):
        load(calibrated | {"prompts": str(tmp_path / "prompts")})
    with pytest.raises(InputError, match=r"prices\.strong"):
        load(calibrated | {"strong": {"model": calibrated["strong"]["model"]}})


def test_a_gate_that_is_missing_or_broken_is_refused(calibrated: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run/gate/gate.json"
    for wrong in ("[]", "{}", json.dumps({"policy": {"cuts": [1], "arms": ["both"]}, "made_for": {}, "met": True})):
        path.write_text(wrong)
        with pytest.raises(InputError, match=r"is not what cowest wrote there.*cowest gate"):
            load(calibrated)
    path.unlink()
    with pytest.raises(InputError, match=r"gate.json' does not exist.*`cowest gate`"):
        load(calibrated)


def test_an_unmet_target_is_heard_of_when_serving(calibrated: dict[str, Any], tmp_path: Path, caplog: Any) -> None:
    path = tmp_path / "run/gate/gate.json"
    runs.write_json(path, runs.read_json(path) | {"met": False})
    recipe = make_recipe(calibrated)
    make_app(recipe, Pipeline(recipe).collaboration(kept=False))
    assert re.search(r"target is not met.* 75\.0%", caplog.text)


def test_serve_refuses_before_it_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.yaml").write_text(make_recipe(recipe_of(str(tmp_path / "run"))).to_yaml())
    assert main(["serve", str(tmp_path / "recipe.yaml"), "--port", "0"]) == 2
    assert "Run `cowest gate`" in " ".join(capsys.readouterr().err.split())
