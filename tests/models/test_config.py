"""What a model's section says by itself."""

from typing import Any

import pytest

from cowest.models.config import ModelConfig


@pytest.mark.parametrize(
    ("model", "options", "gives"),
    [
        ("local/some/folder", {}, True),
        ("local/some/folder", {"logprobs": False}, False),
        ("openai/x", {}, False),
        ("openai/x", {"logprobs": True}, True),
        ("scripted/a:b", {}, None),
    ],
)
def test_whether_log_probabilities_are_to_be_had(model: str, options: dict[str, Any], gives: bool | None) -> None:
    assert ModelConfig(model=model, options=options).gives_logprobs is gives
