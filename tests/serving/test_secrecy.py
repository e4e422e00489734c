from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowest.serving.secrecy import MASK, PieceMask, Secret
from cowest.serving.wire import UpstreamError

# Few letters, so that keys overlap with themselves and with the text; none of the mask or of the names of fields.
KEYS = st.text("AB-", min_size=1, max_size=6)
KEY = "sk-abc"


@st.composite
def texts_in_pieces(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A key, and a text with keys and parts of keys in it, cut anywhere."""
    key = draw(KEYS)
    parts = st.one_of(st.text("AB-x", max_size=4), st.just(key), st.integers(0, 6).map(lambda size: key[:size]))
    text = "".join(draw(st.lists(parts, max_size=8)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return key, [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(texts_in_pieces())
def test_any_cut_of_a_text_gives_the_same_without_the_key(case: tuple[str, list[str]]) -> None:
    key, pieces = case
    mask, passed, so_far = PieceMask(key), "", ""
    for piece in pieces:
        so_far += piece
        passed += mask.add(piece)
        assert key not in passed
        assert key.startswith(mask.held)
        assert len(mask.held) < len(key)
        assert passed + mask.held == so_far.replace(key, MASK), "nothing is lost and nothing else is held back"
    assert passed + mask.end() == "".join(pieces).replace(key, MASK)


@given(texts_in_pieces())
def test_streams_with_pieces_of_several_kinds_come_out_as_their_texts_do(case: tuple[str, list[str]]) -> None:
    key, pieces = case
    chunks = [chunk(content=piece, tool=piece[::-1], logprobs=list(piece)) for piece in pieces]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    stream = Secret(key).stream()
    hidden = [stream.hide(each)["choices"][0] for each in chunks]
    deltas = [choice["delta"] for choice in hidden]
    whole = "".join(pieces)
    assert "".join(delta.get("content", "") for delta in deltas) == whole.replace(key, MASK)
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert {call["index"] for call in calls} <= {3}
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert arguments == "".join(piece[::-1] for piece in pieces).replace(key, MASK)
    tokens = [token["token"] for choice in hidden for token in (choice.get("logprobs") or {}).get("content", [])]
    if key not in whole and key not in "".join(piece[::-1] for piece in pieces):
        assert "".join(tokens) == whole
    assert key not in "".join(tokens) or len(key) == 1


def chunk(
    content: str | None = None, tool: str | None = None, logprobs: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    delta: dict[str, Any] = {} if content is None else {"role": "assistant", "content": content}
    if tool is not None:
        delta["tool_calls"] = [{"index": 3, "id": "call_s", "function": {"arguments": tool}}]
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None, **more}
    if logprobs is not None:
        choice["logprobs"] = {"content": [{"token": token, "logprob": -1.0} for token in logprobs]}
    return {"id": "1", "choices": [choice]}


def test_only_what_may_be_the_key_waits() -> None:
    stream = Secret(KEY).stream()
    passed = [stream.hide(chunk(text))["choices"][0]["delta"]["content"] for text in ("Tasks", " and s", "k-", "iing")]
    assert passed == ["Task", "s and ", "", "sk-iing"]


def test_choices_are_texts_of_their_own() -> None:
    stream = Secret(KEY).stream()
    passed = [
        stream.hide(chunk(text, index=index))["choices"][0]["delta"]["content"]
        for index, text in ((0, "sk-"), (1, "abc"), (0, "abc"))
    ]
    assert passed == ["", "abc", MASK]


def test_a_key_in_a_field_that_is_no_text_is_hidden_within_its_chunk() -> None:
    assert Secret(KEY).stream().hide(chunk("a", id=KEY, **{KEY: [KEY]}))["choices"][0] == chunk(
        "a", id=MASK, **{MASK: [MASK]}
    )["choices"][0] | {"delta": {"role": "assistant", "content": "a"}}


def test_chunks_are_left_as_they_are_where_there_is_no_key() -> None:
    given = chunk("sk-", logprobs=["sk-"])
    assert Secret(None).stream().hide(given) is given
    assert Secret(None).hide(given) is given


def test_a_text_that_goes_on_after_its_end_does_not_complete_a_key() -> None:
    stream = Secret(KEY).stream()
    stream.hide(chunk("sk-", finish_reason="stop"))
    assert stream.hide(chunk("")) is not None
    with pytest.raises(UpstreamError):
        stream.hide(chunk("abc"))


def test_what_was_held_back_follows_a_field_that_is_no_text_any_more() -> None:
    stream = Secret(KEY).stream()
    for refusal, shown in (("sk-", ""), (5, "sk-")):
        given = {"index": 0, "delta": {"refusal": refusal}, "finish_reason": "stop" if refusal == 5 else None}
        assert stream.hide({"choices": [given]})["choices"][0]["delta"] == {"refusal": shown}


def test_the_key_in_a_whole_reply() -> None:
    assert Secret(KEY).hide({"a": [f"is {KEY}."], KEY: 1, "b": None}) == {"a": [f"is {MASK}."], MASK: 1, "b": None}


def test_tokens_do_not_spell_the_key_of_a_whole_reply() -> None:
    def choice(text: str, *tokens: str) -> dict[str, Any]:
        spelled = {"content": [{"token": token, "bytes": list(token.encode())} for token in tokens], "refusal": None}
        return {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": spelled}

    spelling, other = choice("is sk-abc", "is ", "sk-", "abc"), choice("is sk-", "is ", "sk-")
    first, second = Secret(KEY).hide({"choices": [spelling, other]})["choices"]
    assert first["message"]["content"] == f"is {MASK}"
    assert first["logprobs"] == {"content": [], "refusal": None}
    assert second == other


def test_tokens_do_not_spell_the_key_of_a_refusal() -> None:
    stream, passed = Secret(KEY).stream(), []
    for piece in ("no: ", "sk-", "abc", "."):
        given = {"index": 0, "delta": {"refusal": piece}, "logprobs": {"content": None, "refusal": [{"token": piece}]}}
        passed.append(stream.hide({"choices": [given]})["choices"][0])
    assert "".join(each["delta"]["refusal"] for each in passed) == f"no: {MASK}."
    assert [[token["token"] for token in each["logprobs"]["refusal"]] for each in passed] == [["no: "], [], [], ["."]]


def tokens(*pieces: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"token": piece, "logprob": -1.0, **more} for piece in pieces]}


SPELLING = {
    "tokens": tokens("is ", "sk-", "abc"),
    "alternatives": {"content": [{"token": "x", "top_logprobs": [{"token": part}]} for part in ("sk-", "abc")]},
    "bytes": {"content": [{"token": "?", "bytes": list(part.encode())} for part in ("sk", "-abc")]},
    "plain": {"tokens": ["sk-", "abc"]},
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLING)
def test_tokens_that_spell_the_key_beside_a_harmless_text(name: str) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "fine"}, "logprobs": SPELLING[name]}
    (hidden,) = Secret(KEY).hide({"choices": [choice]})["choices"]
    assert set(map(str, hidden["logprobs"].values())) == {"[]"}
    (field, entries), stream, shown = *SPELLING[name].items(), Secret(KEY).stream(), []
    for entry in entries:
        given = {"index": 0, "delta": {"content": "fine"}, "logprobs": {field: [entry]}, "finish_reason": None}
        shown += (stream.hide({"choices": [given]})["choices"][0]["logprobs"] or {})[field]
    given = {"index": 0, "delta": {}, "finish_reason": "stop"}
    shown += (stream.hide({"choices": [given]})["choices"][0].get("logprobs") or {}).get(field, [])
    assert shown == entries[: len(entries) - 2], "only what came before the key"


@pytest.mark.parametrize("reason", [KEY, f"because of {KEY[:3]}", {"a": KEY}, 7])
def test_a_finish_reason_is_a_known_one(reason: Any) -> None:
    message = {"role": "assistant", "content": "fine"}
    (whole,) = Secret(KEY).hide({"choices": [{"message": message, "finish_reason": reason}]})["choices"]
    (part,) = Secret(KEY).stream().hide(chunk("a", finish_reason=reason))["choices"]
    assert whole["finish_reason"] == part["finish_reason"] == "other"
