"""What a model says besides its replies: defaults, plain classes, and wrappers that pass it on."""

from collections.abc import Callable, Mapping

import pytest

from cowest.models import BaseChatModel, ChatModel, Metered, ModelConfig, WrapperModel, load_model, open_model
from cowest.models.base import Account, HeaderListener, as_base_model
from cowest.models.concurrency import Concurrent
from cowest.models.connection import Connection
from cowest.models.providers.scripted import ScriptedModel
from cowest.models.retrying import Retrying
from cowest.types import ChatRequest, Completion

Ask = Callable[..., ChatRequest]


class Plain:
    """No more than the protocol asks for."""

    def __init__(self) -> None:
        self.name = "plain"
        self.identity = "plain at home"
        self.closed = False

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> "Plain":
        return cls()

    async def complete(self, request: ChatRequest) -> Completion:
        return Completion(text="plain reply", finish_reason="stop")

    async def close(self) -> None:
        self.closed = True


class PlainInProcess(Plain):
    in_process = True


class Remote(ScriptedModel):
    """Says all that a provider can say."""

    in_process = False
    account = Account("http://a", "key")

    def listen_to_headers(self, listener: HeaderListener) -> None:
        listener({"heard": "yes"})

    async def listed_models(self) -> list[str] | None:
        return ["a", "b"]


async def test_a_plain_model_has_the_defaults(ask: Ask) -> None:
    plain = Plain()
    model = as_base_model(plain)
    assert isinstance(model, BaseChatModel)
    assert (model.name, model.identity, model.in_process) == ("plain", "plain at home", False)
    assert model.account == ("plain at home", "")
    assert await model.listed_models() is None
    assert (await model.complete(ask())).text == "plain reply"
    await model.close()
    assert plain.closed


def test_a_plain_model_may_say_that_it_runs_in_this_process() -> None:
    assert as_base_model(PlainInProcess()).in_process
    plain, in_process = (load_model(f"{__name__}:{name}/x", role="weak") for name in ("Plain", "PlainInProcess"))
    assert (plain.in_process, in_process.in_process) == (False, True)
    assert isinstance(plain.connection.model, Retrying)
    assert not isinstance(in_process.connection.model, WrapperModel)


async def test_a_wrapper_passes_on_what_the_model_says() -> None:
    model: ChatModel = Remote([], name="remote/m", identity="i")
    wrapped = WrapperModel(Concurrent(model, 3))
    heard: list[Mapping[str, str]] = []
    wrapped.listen_to_headers(heard.append)
    assert heard == [{"heard": "yes"}]
    assert (wrapped.name, wrapped.identity, wrapped.in_process) == ("remote/m", "i", False)
    assert wrapped.account == Account("http://a", "key")
    assert await wrapped.listed_models() == ["a", "b"]


@pytest.mark.parametrize("make", [Plain, lambda: ScriptedModel(["x"])])
def test_another_role_takes_the_same_connection(make: Callable[[], ChatModel]) -> None:
    inner = make()
    strong = open_model(inner, role="strong")
    judge = open_model(strong, role="judge")
    assert isinstance(strong, Metered)
    assert isinstance(strong.connection, Connection)
    assert open_model(strong, role="strong") is strong
    assert (judge.role, judge.connection) == ("judge", strong.connection)
    assert judge.connection.provider is inner
