"""Confidence of a draft, and who answers by it."""

import math

import pytest
from pydantic import ValidationError

from cowest.gating import Policy, confidence
from cowest.types import Completion


def draft(*probabilities: float, finish_reason: str = "stop") -> Completion:
    logprobs = tuple(math.log(each) for each in probabilities)
    return Completion(text="x", finish_reason=finish_reason, token_logprobs=logprobs or None)


def test_confidence_is_the_geometric_mean_of_the_tokens_probabilities() -> None:
    assert confidence(draft(0.5)) == pytest.approx(0.5)
    assert confidence(draft(0.9, 0.4)) == pytest.approx(0.6)
    assert confidence(draft(0.9, 0.4, 0.9, 0.4)) == pytest.approx(0.6)  # a longer draft is no less sure for that
    assert confidence(draft(1.0, 1.0)) == 1.0


def test_no_confidence_without_log_probabilities_or_in_half_a_draft() -> None:
    assert confidence(draft()) is None
    assert confidence(draft(0.9, finish_reason="length")) is None


def test_regions() -> None:
    policy = Policy(cuts=(0.3, 0.6), arms=("strong", "both", "draft"))
    assert [policy.arm(value) for value in (0.0, 0.29, 0.3, 0.59, 0.6, 1.0)] == [
        "strong", "strong", "both", "both", "draft", "draft",
    ]  # fmt: skip
    assert policy.arm(None) == "both"
    assert str(policy) == "strong below 0.3000, both from 0.3000 to 0.6000, draft from 0.6000 on"
    assert str(Policy()) == "always both"
    assert Policy(arms=("draft",)).arm(None) == "both"


@pytest.mark.parametrize(
    "wrong",
    [
        {"cuts": (0.5,), "arms": ("both",)},
        {"cuts": (0.6, 0.3), "arms": ("strong", "both", "draft")},
        {"cuts": (0.3, 0.3), "arms": ("strong", "both", "draft")},
        {"cuts": (math.nan,), "arms": ("both", "draft")},
    ],
)
def test_what_is_no_policy_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(wrong)
