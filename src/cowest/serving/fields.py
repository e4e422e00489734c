"""Fields of a chat request by what they change: the length, nothing at all, or nothing at some values."""

from typing import Any

LIMITS = ("max_completion_tokens", "max_tokens")
"""Both names of the limit on tokens, the newer one first."""

WITHOUT_INFLUENCE = {"user", "seed", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier"}
"""Fields that do not change the text. A reply is a function of the request already, so a seed adds nothing."""

NEUTRAL: dict[str, list[Any]] = {
    "frequency_penalty": [0],
    "presence_penalty": [0],
    "logit_bias": [{}],
    "logprobs": [False],
    "response_format": [{"type": "text"}],
    "tool_choice": ["none"],
    "tools": [[]],
}
"""Values that change nothing, which some clients always send."""
