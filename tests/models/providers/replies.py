"""What providers send back, in the wire format of each."""

from typing import Any


def anthropic_reply(*texts: str, stop_reason: str | None = "end_turn", **usage: int) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [{"type": "text", "text": text} for text in texts],
        "stop_reason": stop_reason, "stop_sequence": None,
        "usage": {"input_tokens": 1000, "output_tokens": 100, **usage},
    }  # fmt: skip


def google_reply(*parts: str | dict[str, Any], finish_reason: str | None = "STOP", **usage: int) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}
    candidate = {"index": 0, "content": content} | ({"finishReason": finish_reason} if finish_reason else {})
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100, **usage},
        "modelVersion": "gemini-x",
    }


def openai_reply(text: str | None, tokens: list[tuple[str, float]] | None = None, **usage: Any) -> dict[str, Any]:
    logprobs = tokens and {"content": [{"token": token, "logprob": logprob} for token, logprob in tokens]}
    message = {"role": "assistant", "content": text}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4.1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, **usage},
    }  # fmt: skip
