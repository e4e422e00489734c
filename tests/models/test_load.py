import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.models import ChatModel, ModelConfig, load_model
from cowest.types import ChatRequest, Completion


def echo(request: ChatRequest) -> str:
    return request.messages[-1].content.upper()


def test_scripted_model_of_a_recipe(ask: Callable[..., ChatRequest]) -> None:
    model = load_model(f"scripted/{__name__}:echo", role="weak")
    assert isinstance(model, ChatModel)
    assert asyncio.run(model.complete(ask("hello"))).text == "HELLO"
    assert (model.role, model.num_calls) == ("weak", 1)


def test_second_load_takes_what_the_first_paid_for(tmp_path: Path, ask: Callable[..., ChatRequest]) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        models = [load_model(f"scripted/{__name__}:echo", role="weak", ledger=ledger) for _ in range(2)]
        for model in models:
            asyncio.run(model.complete(ask("hello")))
    assert [model.num_paid for model in models] == [1, 0]


class Own:
    name = "own"
    identity = "own"

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> "Own":
        return cls()

    async def complete(self, request: ChatRequest) -> Completion:
        return Completion(text="own reply", finish_reason="stop")

    async def close(self) -> None:
        pass


def test_provider_of_the_users_own(ask: Callable[..., ChatRequest]) -> None:
    model = load_model(ModelConfig(model=f"{__name__}:Own/anything"), role="strong")
    assert asyncio.run(model.complete(ask())).text == "own reply"


def test_unknown_provider_lists_the_choices() -> None:
    with pytest.raises(InputError, match=r"opnai.*Did you mean 'openai'.*local, openai, scripted"):
        load_model("opnai/gpt-4.1", role="strong")


@pytest.mark.parametrize("name", ["gpt-4.1", "openai/", "/x", ""])
def test_name_without_provider_or_model(name: str) -> None:
    with pytest.raises(InputError, match="PROVIDER/NAME"):
        load_model(name, role="strong")


def test_importing_models_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import sys, cowest.models, cowest.models.providers.local; assert not {'torch', 'openai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
