"""A rehearsal: the run's own stages on a few examples, with models that cost nothing and count what they are asked.

The calls that are counted are therefore those that the stages make, whatever the recipe's format, feedback and methods.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cowest.planning.tokens import TokenCounter
from cowest.types import ChatRequest, Completion, Example, Message, Usage, Verdict

SOLO, HELPED, UNHELPED = "⟦alone⟧", "⟦helped⟧", "⟦unhelped⟧"
_SCORES = {SOLO: 5, HELPED: 8, UNHELPED: 3}
_COMPARES = re.compile("<<<FIRST.*<<<SECOND", re.DOTALL)
_MARK = re.compile("⟦[a-z]+⟧")
SOLVED_SCORE = 10


@dataclass(frozen=True)
class World:
    """What the rehearsal assumes.

    Attributes:
        solved_alone: share of queries whose strong-alone output gets the full score.
        helped: share of drafts whose refined output beats the strong model alone, among the other queries.
        tokens: length of a reply by role.
    """

    solved_alone: float
    helped: float
    tokens: dict[str, int]


@dataclass
class Count:
    """Calls and tokens of one role."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)


class Rehearsed:
    """Counts requests and answers with filler of the assumed length.

    A reply of the strong model begins with a mark that tells the rehearsed judge what to score.
    """

    def __init__(self, role: str, name: str, world: World, counter: TokenCounter, counts: dict[str, Count]) -> None:
        self.role = role
        self.name = self.identity = name
        self.world = world
        self._counter = counter
        self._counts = counts
        self._known: set[str] = set()

    async def complete(self, request: ChatRequest) -> Completion:
        """Counts one call, unless the ledger would know it."""
        usage = Usage(
            prompt_tokens=self._counter.count_messages([message.content for message in request.messages]),
            completion_tokens=self.world.tokens[self.role],
        )
        digest = _digest(request.model_dump_json())
        if digest not in self._known:
            self._known.add(digest)
            count = self._counts.setdefault(self.role, Count())
            count.calls += 1
            count.usage += usage
        return Completion(text=self._reply(request), finish_reason="stop", usage=usage)

    async def close(self) -> None:
        """Nothing to close."""

    def _reply(self, request: ChatRequest) -> str:
        prompt = request.messages[-1].content
        if self.role == "judge":
            return str(_score(request.messages[0].content, self.world))
        if _COMPARES.search(prompt):
            return "1" if _share(prompt) < 0.5 else "2"
        # Unlike any other reply, as a sampled one would be, and as long as is assumed.
        mark = ""
        if self.role == "strong":
            drafted = "⟦draft⟧" in prompt
            lucky = _share(prompt, request.sample_index) < self.world.helped
            mark = (HELPED if lucky else UNHELPED) if drafted else SOLO
        else:
            mark = "⟦draft⟧"
        filler = f"{_digest(self.name, prompt, request.sample_index)[:8]} " + "the " * self.world.tokens[self.role]
        return f"Explanation: {mark} {filler}\nAnswer: none"


def rehearsed_reward(prompt: Sequence[Message], texts: Sequence[str]) -> list[float]:
    """Stands for an annotator's reward: a function of the text alone."""
    return [_share(text) for text in texts]


class RehearsedJudge:
    """Stands for a judge without a model."""

    name = "rehearsed"

    def __init__(self, world: World) -> None:
        self.world = world

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores by the mark in the output."""
        return Verdict(score=_score(f"{example.id} {output}", self.world))


def _score(text: str, world: World) -> int:
    marks = Counter(_MARK.findall(text))
    mark = next((mark for mark in (HELPED, UNHELPED, SOLO) if marks[mark]), SOLO)
    if mark == SOLO and _share(text) < world.solved_alone:
        return SOLVED_SCORE
    return _SCORES[mark]


def _share(*parts: object) -> float:
    return int(_digest(*parts)[:8], 16) / 16**8


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
