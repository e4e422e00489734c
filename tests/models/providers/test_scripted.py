from collections.abc import Callable

import pytest

from cowest.errors import CompletionError, CowestError, InputError
from cowest.models.config import ModelConfig
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, Completion, Usage

Ask = Callable[..., ChatRequest]
not_a_function = 3


async def test_list_in_order_then_says_that_it_is_empty(ask: Ask) -> None:
    model = ScriptedModel(["a b c", Completion(text="d", finish_reason="length")])
    first, second = [await model.complete(ask("one two")) for _ in range(2)]
    assert first == Completion(
        text="a b c", finish_reason="stop", usage=Usage(prompt_tokens=2, completion_tokens=3)
    )  # fmt: skip
    assert second.finish_reason == "length"
    with pytest.raises(CowestError, match=r"no reply left.*'one two'"):
        await model.complete(ask("one two"))
    assert len(model.requests) == 3


async def test_exceptions_are_raised(ask: Ask) -> None:
    model = ScriptedModel([CompletionError("refused"), "fine"])
    with pytest.raises(CompletionError, match="refused"):
        await model.complete(ask())
    assert (await model.complete(ask())).text == "fine"


@pytest.mark.parametrize(
    ("name", "says"),
    [("scripted/plain", "names no function"), (f"scripted/{__name__}:not_a_function", "is int, not a function")],
)
def test_recipe_that_names_no_function(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        ScriptedModel.from_config(ModelConfig(model=name), 0)
