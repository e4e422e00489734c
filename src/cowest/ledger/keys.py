"""What identifies a call: a hash of everything that decides its reply, over JSON in one canonical form."""

import functools
import hashlib
import json
from json.encoder import encode_basestring_ascii

from cowest.types import ChatRequest, Completion, Sampling

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def call_key(role: str, model: str, identity: str, request: ChatRequest) -> str:
    """SHA-256 over everything that decides a reply: two calls share a key only if they are the same sample.

    Where weights lie decides nothing, and their hash is in `identity`: a run that was moved, or another one over
    the same ledger that trains the same model, finds its drafts.
    """
    name = "local" if model.startswith("local/") else model
    model_json = _canonical_model(role, name, identity)
    version = encode_basestring_ascii(request.prompt_version)
    return _sha256(f"[{model_json},{canonical_body(request)},{request.sample_index},{version}]")


def canonical_body(request: ChatRequest) -> str:
    """The part of a request that is kept, its messages and sampling, as canonical JSON.

    Each call writes it twice, so it is put together here, which takes a third of the time of `canonical`.
    """
    messages = ",".join(
        f'{{"content":{encode_basestring_ascii(message.content)},"role":"{message.role}"}}'
        for message in request.messages
    )
    # 0.0 and -0.0 are equal, and written differently.
    sampling = _canonical_sampling(request.sampling, str(request.sampling.temperature))
    return f'{{"messages":[{messages}],"sampling":{sampling}}}'


@functools.lru_cache(maxsize=64)
def _canonical_sampling(sampling: Sampling, _: str) -> str:
    return canonical(sampling.model_dump(mode="json"))


@functools.lru_cache(maxsize=64)
def _canonical_model(role: str, name: str, identity: str) -> str:
    return canonical([role, name, identity])[1:-1]


def canonical(value: object) -> str:
    """JSON with sorted keys; ASCII, as a text may hold lone surrogates, which SQLite and SHA-256 would refuse."""
    return _ENCODER.encode(value)


def kept(request: ChatRequest) -> tuple[str, str]:
    """What a row keeps of a request: the hash of its body, and the body as canonical JSON."""
    text = canonical_body(request)
    return _sha256(text), text


def kept_reply(completion: Completion) -> tuple[str, str]:
    """What a row keeps of a reply: its text and tokens, and its usage, each as canonical JSON."""
    optional = {"token_logprobs": completion.token_logprobs, "tokens": completion.tokens}
    response = {"text": completion.text, "finish_reason": completion.finish_reason}
    usage = completion.usage
    return (
        canonical(response | {name: value for name, value in optional.items() if value is not None}),
        f'{{"completion_tokens":{usage.completion_tokens},"prompt_tokens":{usage.prompt_tokens}}}',
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
