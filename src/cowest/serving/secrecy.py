"""Removes an API key from what clients get: from whole replies, and from streams where it may span chunks."""

import itertools
from collections import defaultdict
from typing import Any

from cowest.serving.wire import Json, UpstreamError, known_reason

MASK = "[key]"

_NO_TEXT = {"role", "id", "type", "name"}
"""Fields of a chunk that clients do not concatenate."""

Path = tuple[str | int, ...]


class Secret:
    """An API key that is sent to an endpoint, which may echo it.

    Args:
        key: None where no key is sent.
    """

    def __init__(self, key: str | None) -> None:
        self._key = key

    def hide(self, reply: Json) -> Json:
        """A whole reply without the key; log probabilities whose tokens spell it are removed too."""
        if self._key is None:
            return reply
        hidden: Json = _hide(reply, self._key)
        for before, after in zip(reply.get("choices", ()), hidden.get("choices", ()), strict=True):
            given = before.get("logprobs")
            lists = _lists(given) if isinstance(given, dict) else {}
            spelled = [text for each in lists.values() for text in _spelled(each).values()]
            if lists and (after.get("message") != before.get("message") or any(self._key in text for text in spelled)):
                after["logprobs"] = after["logprobs"] | {name: [] for name in lists}
            after.update(_reason(before))
        return hidden

    def stream(self) -> "StreamMask":
        """A mask for the chunks of one stream."""
        return StreamMask(self._key)


class PieceMask:
    """Masks the key in one text that arrives in pieces. Only an end that may begin the key is held back.

    Attributes:
        held: the text held back; a proper prefix of the key.
        num_hidden: how often the key was masked.
    """

    def __init__(self, key: str) -> None:
        self.held = ""
        self.num_hidden = 0
        self._key = key
        self._ended_within = False

    def add(self, piece: str) -> str:
        """Adds a piece; returns the text that may be passed on now.

        Raises:
            UpstreamError: the text had ended already, and its end may have begun the key.
        """
        if self._ended_within and piece:
            raise UpstreamError(502, "The strong model's answer is malformed.", code="upstream_malformed")
        *before, last = (self.held + piece).split(self._key)
        longest = min(len(last), len(self._key) - 1)
        size = next(size for size in range(longest, -1, -1) if last.endswith(self._key[:size]))
        self.held = last[len(last) - size :]
        self.num_hidden += len(before)
        return MASK.join([*before, last[: len(last) - size]])

    def end(self) -> str:
        """Ends the text; returns what was held back."""
        held, self.held = self.held, ""
        self._ended_within = bool(held)
        return held


class StreamMask:
    """Masks the key in the chunks of one stream, also where it spans several."""

    def __init__(self, key: str | None) -> None:
        self._key = key
        self._choices: dict[Any, _Choice] = {}

    def hide(self, chunk: Json) -> Json:
        """The chunk as it may be passed on, preceded by what was held back."""
        if self._key is None:
            return chunk
        choices = []
        for choice in chunk["choices"]:
            state = self._choices.setdefault(choice.get("index"), _Choice(self._key))
            choices.append(state.hide(choice))
        hidden: Json = _hide(chunk | {"choices": choices}, self._key)
        return hidden


class _Choice:
    """One choice of a stream: its texts by their path in the delta, what its tokens spell, and those held back."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._texts: dict[Path, PieceMask] = {}
        self._spelled: dict[Path, PieceMask] = {}
        self._tokens: dict[str, list[Any]] = {}

    def hide(self, choice: Json) -> Json:
        delta, num_before = choice.get("delta"), self._num_hidden
        self._spell(choice.get("logprobs"))
        delta = self._pieces(delta, ()) if isinstance(delta, dict) else {}
        if choice.get("finish_reason"):
            for path, text in self._texts.items():
                if held := text.end():
                    _append(delta, path, held)
            for text in self._spelled.values():
                text.end()
        tokens = self._logprobs(choice, self._num_hidden > num_before)
        return choice | {"delta": delta} | tokens | _reason(choice)

    @property
    def _all(self) -> list[PieceMask]:
        return [*self._texts.values(), *self._spelled.values()]

    @property
    def _num_hidden(self) -> int:
        return sum(text.num_hidden for text in self._all)

    def _spell(self, logprobs: Any) -> None:
        """Notes what the tokens spell, whether or not the text does."""
        for name, entries in _lists(logprobs if isinstance(logprobs, dict) else {}).items():
            for path, text in _spelled(entries).items():
                self._spelled.setdefault((name, *path), PieceMask(self._key)).add(text)

    def _pieces(self, data: Any, path: Path) -> Any:
        if isinstance(data, str):
            return self._texts.setdefault(path, PieceMask(self._key)).add(data)
        if isinstance(data, dict):
            return {
                name: value if name in _NO_TEXT else self._pieces(value, (*path, name)) for name, value in data.items()
            }
        if isinstance(data, list):
            return [
                self._pieces(each, (*path, _number(each, index))) if isinstance(each, dict) else each
                for index, each in enumerate(data)
            ]
        return data

    def _logprobs(self, choice: Json, is_masked: bool) -> Json:
        """Tokens repeat the text: they are held back with it, and dropped where the key was masked."""
        given = choice.get("logprobs")
        given = given if isinstance(given, dict) else {}
        new, waiting, self._tokens = _lists(given), self._tokens, {}
        if not new and not waiting:
            return {}
        tokens = {name: [*waiting.get(name, []), *new.get(name, [])] for name in {**waiting, **new}}
        if is_masked:
            tokens = {name: [] for name in tokens}
        elif any(text.held for text in self._all):
            tokens, self._tokens = {name: [] for name in tokens}, {name: each for name, each in tokens.items() if each}
        return {"logprobs": given | tokens}


def _reason(choice: Json) -> Json:
    """A choice's finish reason, which an endpoint might put its key in."""
    return {"finish_reason": known_reason(choice["finish_reason"])} if "finish_reason" in choice else {}


def _lists(logprobs: Json) -> dict[str, list[Any]]:
    """Lists of tokens by field: content or refusal."""
    return {name: value for name, value in logprobs.items() if isinstance(value, list)}


def _spelled(entries: list[Any]) -> dict[Path, str]:
    """What the entries of a list spell together, by the place in an entry; bytes as characters."""
    found: defaultdict[Path, list[str]] = defaultdict(list)

    def collect(data: Any, path: Path) -> None:
        if isinstance(data, str):
            found[path].append(data)
        elif isinstance(data, dict):
            for name, value in data.items():
                collect(value, (*path, name))
        elif isinstance(data, list):
            if data and all(isinstance(each, int) for each in data):
                found[path].append("".join(chr(each) for each in data if 0 <= each < 256))
                return
            for index, each in enumerate(data):
                collect(each, (*path, index))

    for entry in entries:
        collect(entry, ())
    return {path: "".join(texts) for path, texts in found.items()}


def _number(value: Any, position: int) -> int:
    """The index of the list element that a piece belongs to; pieces of tool calls carry their own."""
    number = value.get("index") if isinstance(value, dict) else None
    return number if isinstance(number, int) else position


def _append(delta: Json, path: Path, text: str) -> None:
    """Appends text to the text at a path in a delta; missing containers are created."""
    here: Any = delta
    for step, following in itertools.pairwise(path):
        made: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            found = [each for at, each in enumerate(here) if isinstance(each, dict) and _number(each, at) == step]
            if not found:
                found = [{"index": step}]
                here.append(found[0])
            here = found[0]
        else:
            if not isinstance(here.get(step), type(made)):
                here[step] = made
            here = here[step]
    before = here.get(path[-1])
    here[path[-1]] = before + text if isinstance(before, str) else text


def _hide(data: Any, key: str) -> Any:
    if isinstance(data, str):
        return data.replace(key, MASK)
    if isinstance(data, dict):
        return {name.replace(key, MASK): _hide(value, key) for name, value in data.items()}
    return [_hide(value, key) for value in data] if isinstance(data, list) else data
