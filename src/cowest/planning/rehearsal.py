"""A rehearsal: the run's own stages on a few examples, with models that cost nothing and count what they are asked.

The calls that are counted are therefore those that the stages make, whatever the recipe's format, feedback and methods.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from cowest.methods.self_refine import ENOUGH
from cowest.models.tokens import TokenCounter
from cowest.planning.tally import Tally
from cowest.retrieval import Passage, Retriever
from cowest.types import ChatRequest, Completion, Example, Message, Usage, Verdict

SOLO, HELPED, UNHELPED = "⟦alone⟧", "⟦helped⟧", "⟦unhelped⟧"
_SCORES = {SOLO: 5, HELPED: 8, UNHELPED: 3}
_COMPARES = re.compile("<<<FIRST.*<<<SECOND", re.DOTALL)
_MARK = re.compile("⟦[a-z]+⟧")
_TOKEN = re.compile(r"\s*\S+")
_FILLER, _SENTENCE = "the", 20
_ANSWER = "Answer: none"
_UNSURE = math.log(0.6)
SOLVED_SCORE = 10

Kept = Callable[[ChatRequest], Completion | None]


@dataclass(frozen=True)
class Assumptions:
    """What the rehearsal assumes.

    Attributes:
        solved_alone: share of queries whose strong-alone output gets the full score.
        helped: share of drafts whose refined output beats the strong model alone, among the other queries.
        sure: share of replies that their own model is sure of: whose tokens are all probable, in which it finds nothing
            to change, and, of the strong model, which agree with the weak one.
        tokens: length of a reply by role.
        alike: share of drafts on which two stages of the weak model agree word for word.
    """

    solved_alone: float
    helped: float
    sure: float
    tokens: dict[str, int]
    alike: float = 0.0


class Rehearsed:
    """Counts requests and answers with filler of the assumed length, or as the ledger answers.

    A reply of the strong model begins with a mark that tells the rehearsed judge what to score.

    Args:
        name: what tells the model from others of its role.
        kept: finds what the run's ledger holds of this model.
    """

    def __init__(
        self,
        role: str,
        name: str,
        assumptions: Assumptions,
        counter: TokenCounter,
        tally: Tally,
        kept: Kept | None = None,
    ) -> None:
        self.role = role
        self.name = self.identity = name
        self.assumptions = assumptions
        self._counter = counter
        self._tally = tally
        self._kept = kept

    async def complete(self, request: ChatRequest) -> Completion:
        """Counts one call, unless the ledger knows it or would know it by then."""
        if self._kept is not None and (reply := self._kept(request)) is not None:
            return reply
        left = self._left(request)
        limit = min(left, request.sampling.max_tokens or left)
        usage = Usage(
            prompt_tokens=self._counter.count_messages([message.content for message in request.messages]),
            completion_tokens=limit,
        )
        self._tally.add(self.role, _digest(self.role, self.name, request.model_dump_json()), usage)
        tokens = _TOKEN.findall(self._reply(request, left))[: limit if limit < left else None]
        is_sure = self._is_sure(request)
        return Completion(
            text="".join(tokens),
            finish_reason="length" if limit < left else "stop",
            usage=usage,
            tokens=tuple(tokens),
            token_logprobs=(0.0 if is_sure else _UNSURE,) * len(tokens),
        )

    async def close(self) -> None:
        """Nothing to close."""

    def _left(self, request: ChatRequest) -> int:
        """Tokens of the reply to this request."""
        length = self.assumptions.tokens[self.role]
        if (request.sampling.max_tokens or length) >= length or _ANSWER in (prompt := request.messages[-1].content):
            return length
        # A piece is asked for, and the prompt holds those before it.
        return max(0, length - 2 * prompt.count(f"{_FILLER} {_FILLER}"))

    def _reply(self, request: ChatRequest, length: int) -> str:
        prompt = request.messages[-1].content
        if self.role == "judge":
            return str(_score(request.messages[0].content, self.assumptions))
        if ENOUGH in prompt and self._is_sure(request):
            return ENOUGH
        if self.role == "labeller" or _COMPARES.search(prompt):
            return "1" if _share(prompt) < 0.5 else "2"
        # Unlike any other reply, as a sampled one would be, and as long as is assumed.
        mark, name = "", self.name
        if self.role == "strong":
            drafted = "⟦draft⟧" in prompt
            lucky = _share(prompt, request.sample_index) < self.assumptions.helped
            mark = (HELPED if lucky else UNHELPED) if drafted else SOLO
        else:
            mark = "⟦draft⟧"
            if _share("alike", prompt, request.sample_index) < self.assumptions.alike:
                name = "any stage"
        filler = " ".join(_FILLER + "." * (number % _SENTENCE == 0) for number in range(1, length + 1))
        answer = _ANSWER if self.role == "weak" or self._is_sure(request) else f"{_ANSWER} other"
        return (
            f"Explanation: {mark} {_digest(name, prompt, request.sample_index)[:8]} {filler}\n{answer}"
            if length
            else answer
        )

    def _is_sure(self, request: ChatRequest) -> bool:
        return _share("sure", request.messages[-1].content, request.sample_index) < self.assumptions.sure


def rehearsed_reward(prompt: Sequence[Message], texts: Sequence[str]) -> list[float]:
    """Stands for an annotator's reward: a function of the text alone."""
    return [_share(text) for text in texts]


class RehearsedJudge:
    """Stands for a judge without a model."""

    name = "rehearsed"

    def __init__(self, assumptions: Assumptions) -> None:
        self.assumptions = assumptions

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores by the mark in the output."""
        return Verdict(score=_score(f"{example.id} {output}", self.assumptions))


class RehearsedRetriever(Retriever):
    """Finds any passages, other ones for each query; needs no index."""

    def search(self, query: str) -> list[Passage]:
        """`top_k` passages that depend on the query."""
        count = min(self.top_k, len(self.passages))
        return Random(query).sample(self.passages, count)


def _score(text: str, assumptions: Assumptions) -> int:
    marks = Counter(_MARK.findall(text))
    mark = next((mark for mark in (HELPED, UNHELPED, SOLO) if marks[mark]), SOLO)
    if mark == SOLO and _share(text) < assumptions.solved_alone:
        return SOLVED_SCORE
    return _SCORES[mark]


def _share(*parts: object) -> float:
    return int(_digest(*parts)[:8], 16) / 16**8


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
