"""Large replies are read and written as small ones are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowest.serving import large_json
from cowest.serving.wire import UpstreamError, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_read_in_steps_is_the_same(value: Any) -> None:
    assert large_json.SteppingDecoder().decode(json.dumps(value)) == value


async def test_a_large_reply_is_read() -> None:
    many = [[0]] * large_json.MANY_VALUES
    assert await large_json.read(json.dumps(many).encode(), lambda read: read) == many


@pytest.mark.parametrize("filler", [b"", b"[]," * 30_000])
@pytest.mark.parametrize("raw", [b"[%b{]", b"[%b\xff]", b"%b" + b"[" * 100_000])
async def test_what_is_no_json_is_an_error_of_value(raw: bytes, filler: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        await large_json.read(raw % filler, lambda read: read)


async def test_a_reply_has_only_so_many_values() -> None:
    with pytest.raises(UpstreamError):
        await large_json.read(b"[" + b"0," * large_json.MAX_VALUES + b"0]", lambda read: read)


TOKEN = {"token": "so \u00e9\ud83d", "logprob": -0.5, "bytes": [115, 111], "top_logprobs": []}


@pytest.mark.parametrize(
    "more",
    [
        {"choices": [{"index": 0, "logprobs": {"content": [TOKEN] * 4000, "refusal": None}}, {"logprobs": None}]},
        {"choices": [{"index": 0, "message": {"content": "a", "parts": [[[]]] * 11_000}}]},
        {"citations": {str(number): number for number in range(large_json.MANY_VALUES)}},
    ],
    ids=["tokens", "in the message", "beside the choices"],
)
async def test_many_values_are_written_as_few_are(more: dict[str, Any]) -> None:
    reply = {"choices": [{"index": 0, "logprobs": {"content": [TOKEN]}}]}
    assert await large_json.write(reply, lambda reply: b"in place") == b"in place"
    assert await large_json.write(reply | more, lambda reply: b"in place") == encode(reply | more)
