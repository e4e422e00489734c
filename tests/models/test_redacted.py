import asyncio
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.errors import InputError, TransientEndpointError
from cowest.judge import ModelJudge
from cowest.ledger import Ledger
from cowest.models import ModelConfig, load_model, open_model
from cowest.models.providers.scripted import ScriptedModel
from cowest.models.redacted import Redacted
from cowest.models.retrying import Retrying
from cowest.pipeline import provenance
from cowest.prompts import Prompts
from cowest.recipe import make_recipe
from cowest.types import ChatRequest, Completion, Example, Message
from tests.models.providers.endpoint import Endpoint, chat
from tests.recipes import recipe_of

Ask = Callable[..., ChatRequest]
NAMES = re.compile(r"\b(?:Ada|Bob|velorin)\b")
OURS = f"{__name__}:redact"


def redact(texts: list[str]) -> tuple[list[str], Callable[[str], str]]:
    """One placeholder for one name in all texts, numbered in the order of the texts."""
    found = dict.fromkeys(name for text in texts for name in NAMES.findall(text))
    placeholders = {name: f"<{number}>" for number, name in enumerate(found, 1)}

    def restore(reply: str) -> str:
        for name, placeholder in placeholders.items():
            reply = reply.replace(placeholder, name)
        return reply

    return [NAMES.sub(lambda match: placeholders[match[0]], text) for text in texts], restore


def echo(request: ChatRequest) -> str:
    return " / ".join(message.content for message in request.messages)


def conversation(*texts: str) -> ChatRequest:
    return ChatRequest(messages=tuple(Message(role="user", content=text) for text in texts))


def test_one_name_has_one_placeholder_in_all_messages_and_comes_back() -> None:
    inner = ScriptedModel(echo)
    model = Redacted(inner, redact, OURS)
    completion = asyncio.run(model.complete(conversation("Ada asks Bob", "Bob answers Ada")))
    assert [message.content for message in inner.requests[0].messages] == ["<1> asks <2>", "<2> answers <1>"]
    assert completion.text == "Ada asks Bob / Bob answers Ada"


def test_the_ledger_keeps_originals_and_the_endpoint_gets_none(tmp_path: Path, ask: Ask) -> None:
    config = {"model": "openai/m", "redact": OURS}
    with Endpoint() as endpoint, Ledger(tmp_path / "ledger.sqlite") as ledger:
        endpoint.body = chat(echo)
        settings = ModelConfig(**config, base_url=endpoint.url)
        models = [load_model(settings, role="strong", ledger=ledger) for _ in range(2)]
        texts = [asyncio.run(model.complete(ask("Ada takes velorin"))).text for model in models]
        assert len(endpoint.asked) == 1
        assert texts == ["Ada takes velorin"] * 2
        assert not NAMES.search(str(endpoint.asked))
        # Without the hook, or with another, it is another call.
        plain = load_model(settings.model_copy(update={"redact": None}), role="strong")
        assert plain.identity != models[0].identity


def test_each_attempt_sends_the_redacted_texts() -> None:
    replies = iter([TransientEndpointError("busy"), "to <1>"])
    inner = ScriptedModel(lambda request: next(replies))

    async def no_wait(seconds: float) -> None:
        pass

    model = Redacted(Retrying(inner, sleep=no_wait), redact, OURS)
    assert asyncio.run(model.complete(conversation("for Ada"))).text == "to Ada"
    assert [request.messages[0].content for request in inner.requests] == ["for <1>", "for <1>"]


def test_the_strong_model_as_judge_is_redacted_too() -> None:
    with Endpoint() as endpoint:
        endpoint.body = chat(lambda request: "7")
        strong = open_model(ModelConfig(model="openai/m", base_url=endpoint.url, redact=OURS), role="strong")
        judge = ModelJudge(open_model(strong, role="judge"), Prompts())
        example = Example(id="1", query="What does Ada take?", references=("velorin",))
        assert asyncio.run(judge.score(example, "Answer: Ada takes velorin")).score == 7
        assert not NAMES.search(str(endpoint.asked))


def broken(texts: list[str]) -> Any:
    raise ValueError("no model of names")


count = itertools.count()


def numbered_anew(texts: list[str]) -> Any:
    return [f"{text} {next(count)}" for text in texts], str


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (broken, "no model of names"),
        (numbered_anew, "when it is called again"),
        (lambda texts: texts, "as many texts"),
        (lambda texts: (texts[1:], str), "as many texts"),
        (lambda texts: ([None], str), "as many texts"),
        (lambda texts: (tuple(texts), str), "as many texts"),
        (lambda texts: (texts, None), "as many texts"),
    ],
)
def test_hook_that_does_not_do_its_work_sends_nothing(hook: Any, says: str) -> None:
    inner = ScriptedModel(echo)
    with pytest.raises(InputError, match=says):
        asyncio.run(Redacted(inner, hook, OURS).complete(conversation("for Ada")))
    assert not inner.requests


@pytest.mark.parametrize("restore", [lambda text: None, lambda text: text.no_such_method()])
def test_restoring_that_fails_is_no_reply(restore: Any) -> None:
    model = Redacted(ScriptedModel(echo), lambda texts: (texts, restore), OURS)
    with pytest.raises(InputError, match="restore"):
        asyncio.run(model.complete(conversation("for Ada")))


class TestSettings:
    def test_model_in_this_process(self) -> None:
        with pytest.raises(InputError, match="nothing leaves"):
            load_model(ModelConfig(model=f"scripted/{__name__}:echo", redact=OURS), role="s")

    @pytest.mark.parametrize("hook", ["no_such_package:redact", f"{__name__}:no_such_function", f"{__name__}:OURS"])
    def test_hook_that_is_not_there(self, hook: str) -> None:
        with pytest.raises(InputError, match=hook.split(":", maxsplit=1)[0]):
            load_model(ModelConfig(model="openai/m", base_url="http://127.0.0.1:1/v1", redact=hook), role="strong")

    @pytest.mark.parametrize("role", ["weak", "judge"])
    def test_another_endpoint_that_is_sent_the_same_must_say_so(self, tmp_path: Path, role: str) -> None:
        other = {"model": "openai/other", "base_url": "http://127.0.0.1:2/v1"}
        data = recipe_of(tmp_path / "run", **{role: other})
        data["strong"] = {"model": "openai/m", "base_url": "http://127.0.0.1:1/v1", "redact": OURS}
        with pytest.raises(InputError, match=rf"{role}.* has no redact"):
            make_recipe(data)
        for hook in (None, OURS):
            data[role]["redact"] = hook
            saved = yaml.safe_load(make_recipe(data).to_yaml())
            assert make_recipe(saved).strong.redact == OURS

    def test_a_labeller_that_is_sent_the_same_must_say_so_too(self, tmp_path: Path) -> None:
        labeller = {"model": "openai/other", "base_url": "http://127.0.0.1:2/v1"}
        data = recipe_of(tmp_path / "run", feedback={"kind": "rlaif", "labeller": labeller})
        data["strong"] = {"model": "openai/m", "base_url": "http://127.0.0.1:1/v1", "redact": OURS}
        with pytest.raises(InputError, match=r"feedback\.labeller.* has no redact"):
            make_recipe(data)
        data["feedback"]["labeller"]["redact"] = None
        make_recipe(data)

    def test_needs_a_function(self, tmp_path: Path) -> None:
        data = recipe_of(tmp_path / "run")
        data["strong"] = {"model": "openai/m", "redact": "my_file.py"}
        with pytest.raises(InputError, match=r"strong\.redact: .* needs package\.module:function"):
            make_recipe(data)

    def test_a_stage_belongs_to_its_redaction(self) -> None:
        assert {"weak.redact", "strong.redact"} <= set(provenance.FEEDBACK_KEYS)


def test_completion_keeps_everything_but_the_text() -> None:
    inner = ScriptedModel([Completion(text="<1>", finish_reason="length", cost_usd=0.5)])
    completion = asyncio.run(Redacted(inner, redact, OURS).complete(conversation("Ada")))
    assert (completion.text, completion.finish_reason, completion.cost_usd) == ("Ada", "length", 0.5)
