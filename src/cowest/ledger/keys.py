"""What identifies a call: a hash of everything that decides its reply, over JSON in one canonical form."""

import hashlib
import json

from cowest.types import ChatRequest


def call_key(role: str, model: str, identity: str, request: ChatRequest) -> str:
    """SHA-256 over everything that decides a reply: two calls share a key only if they are the same sample.

    Where weights lie decides nothing, and their hash is in `identity`: a run that was moved, or another one over
    the same ledger that trains the same model, finds its drafts.
    """
    name = "local" if model.startswith("local/") else model
    return digest([role, name, identity, body(request), request.sample_index, request.prompt_version])


def body(request: ChatRequest) -> dict[str, object]:
    """The part of a request that is kept: its messages and sampling, as JSON."""
    return request.model_dump(mode="json", include={"messages", "sampling"})


def canonical(value: object) -> str:
    """JSON with sorted keys; ASCII, as a text may hold lone surrogates, which SQLite and SHA-256 would refuse."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return _sha256(canonical(value))


def kept(request: ChatRequest) -> tuple[str, str]:
    """What a row keeps of a request: the hash of its body, and the body as canonical JSON."""
    text = canonical(body(request))
    return _sha256(text), text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
