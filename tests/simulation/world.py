"""What the models say in a simulated world: functions of the query, the draft and the output alone."""

import re

from cowest.types import ChatRequest, Example
from tests.simulation.plan import World
from tests.worlds import chance, sums

_QUERY = re.compile(r"What is (\d+) plus")
_REFERENCE = re.compile(r"<<<REFERENCE\nAnswer: (\d+)")
_OUTPUT = re.compile(r"<<<OUTPUT\n(.*)\nOUTPUT>>>", re.DOTALL)
_DRAFT = re.compile(r"What the expert model wrote:\n(.*)\n\nReply in exactly", re.DOTALL)
PERFECT = 10


def examples(world: World) -> list[Example]:
    """The examples, with the position as id: two may ask the same."""
    return [
        sums(query + 1)[query].model_copy(update={"id": f"example-{position}"})
        for position, query in enumerate(world.queries)
    ]


def draft(world: World, query: int, sample: int) -> str:
    """y: few different ones, so that some are equal."""
    kind = int(3 * chance(world.number, "draft", query, sample))
    return f"Explanation: draft {kind}{_half(world)}.\nAnswer: {2 * query + kind}"


def solo(world: World, query: int) -> str:
    """z."""
    return _reply(world, "solo", query, "")


def refined(world: World, query: int, draft: str) -> str:
    """y*."""
    return _reply(world, "refined", query, as_sent(draft))


def score(world: World, query: int, output: str) -> int | None:
    """E: None where the judge gives no number even when it is asked again."""
    drawn = chance(world.number, "unscored", query, as_sent(output))
    return None if drawn < 0.05 else 1 + int(PERFECT * chance(world.number, "score", query, as_sent(output)))


def weak_reply(world: World, request: ChatRequest) -> str:
    """What the weak model says."""
    return draft(world, _query(request.messages[0].content), request.sample_index)


def strong_reply(world: World, messages: list[dict[str, str]]) -> str:
    """What the strong model says, as itself and as the judge."""
    asked = messages[0]["content"]
    if (output := _OUTPUT.search(asked)) is not None:
        reference = _REFERENCE.search(asked)
        assert reference is not None
        return _verdict(world, int(reference[1]) // 2, output[1], is_again=len(messages) > 1)
    if (given := _DRAFT.search(asked)) is not None:
        return refined(world, _query(asked), given[1])
    return solo(world, _query(asked))


def _verdict(world: World, query: int, output: str, is_again: bool) -> str:
    found = score(world, query, output)
    if found is None or (not is_again and chance(world.number, "talks", query, output) < 0.2):
        return "I would rather not say."
    return str(found)


def _reply(world: World, *parts: object) -> str:
    kind = int(6 * chance(world.number, *parts))
    answer = int(4 * chance(world.number, *parts, "answer"))
    return f"Explanation: {parts[0]} {parts[1]} {kind}{_half(world)}.\nAnswer: {answer}"


def as_sent(text: str) -> str:
    """A text as it is sent: no endpoint takes half a surrogate pair."""
    return text.replace("\ud83d", "\ufffd")


def _half(world: World) -> str:
    return "\ud83d" if world.half_characters else ""


def _query(text: str) -> int:
    found = _QUERY.search(text)
    assert found is not None, text
    return int(found[1])
