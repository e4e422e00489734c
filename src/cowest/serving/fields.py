"""Fields of a chat request: which are taken, and what they change: the length, nothing, or nothing at some values."""

from typing import Any

TAKEN = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata "
    "modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention "
    "reasoning_effort response_format safety_identifier seed service_tier stop store stream_options temperature "
    "tool_choice tools top_logprobs top_p user verbosity web_search_options "
    "top_k min_p repetition_penalty".split()
)
"""OpenAI's fields besides model, messages and stream, and the sampling of most open servers.

A list of what is refused would never be complete: each gateway has names of its own for endpoints, keys and models.
"""

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
