"""Stand-ins for models, judge and retriever that cost nothing and count the calls that a run's stages make.

Since the stages themselves run, the count is right for every format, kind of feedback and method.
"""

import functools
import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from cowest.collaboration import Collaboration
from cowest.methods import Setting
from cowest.methods.self_refine import ENOUGH
from cowest.models.base import ChatModel
from cowest.models.tokens import TokenCounter
from cowest.planning.tally import Tally
from cowest.retrieval import Passage, Retriever
from cowest.types import ChatRequest, Completion, Example, Message, Usage, Verdict

SOLO, HELPED, UNHELPED = "⟦alone⟧", "⟦helped⟧", "⟦unhelped⟧"
_VERDICTS = {SOLO: 5, HELPED: 8, UNHELPED: 3}
_COMPARED = re.compile("<<<FIRST(?P<first>.*)<<<SECOND(?P<second>.*)", re.DOTALL)
_COMPARES = re.compile("<<<FIRST.*<<<SECOND", re.DOTALL)
_MARK = re.compile("⟦[a-z]+⟧")
_TOKEN = re.compile(r"\s*\S+")
_FILLER, _SENTENCE_LENGTH = "the", 20
_ANSWER = "Answer: none"
_UNSURE_LOGPROB = math.log(0.6)
SOLVED_SCORE = 10

ReplyLookup = Callable[[ChatRequest], Completion | None]
"""Finds the reply to a request that was paid for; None where there is none."""


@dataclass(frozen=True)
class Assumptions:
    """What the rehearsal assumes.

    Attributes:
        solved_alone: share of queries whose strong-alone output gets the full score.
        helped: share of drafts whose refined output beats the strong model alone, among the other queries.
        sure: share of replies of which their model is confident: all tokens are probable, its own critique finds
            nothing to change, and, for the strong model, the answer agrees with the weak one's.
        tokens: length of a reply, by role.
        unanswered: whether replies hold no answer, so that each takes a follow-up call where the recipe asks for it.
        identical_drafts: share of drafts that two stages of the weak model write word for word the same.
    """

    solved_alone: float
    helped: float
    sure: float
    tokens: dict[str, int]
    identical_drafts: float = 0.0
    unanswered: bool = False


class RehearsedModel:
    """Counts requests and replies with filler of the assumed length, or with the ledger's reply.

    A reply of the strong model begins with a mark that determines the rehearsed judge's verdict.

    Args:
        name: distinguishes the model from others in its role.
        lookup: finds replies of this model in the run's ledger.
    """

    def __init__(
        self,
        role: str,
        name: str,
        assumptions: Assumptions,
        counter: TokenCounter,
        tally: Tally,
        lookup: ReplyLookup | None = None,
    ) -> None:
        self.role = role
        self.name = self.identity = name
        self.assumptions = assumptions
        self._counter = counter
        self._tally = tally
        self._lookup = lookup

    async def complete(self, request: ChatRequest) -> Completion:
        """Counts one call, unless the ledger holds its reply or will hold it by then."""
        if self._lookup is not None and (reply := self._lookup(request)) is not None:
            return reply
        length = self._reply_length(request)
        limit = min(length, request.sampling.max_tokens or length)
        usage = Usage(
            prompt_tokens=self._counter.count_messages([message.content for message in request.messages]),
            completion_tokens=limit,
        )
        self._tally.add(self.role, _digest(self.role, self.name, request.model_dump()), usage)
        tokens = _TOKEN.findall(self._reply(request, length))[: limit if limit < length else None]
        is_sure = self._is_sure(request)
        return Completion(
            text="".join(tokens),
            finish_reason="length" if limit < length else "stop",
            usage=usage,
            tokens=tuple(tokens),
            token_logprobs=(0.0 if is_sure else _UNSURE_LOGPROB,) * len(tokens),
        )

    async def close(self) -> None:
        """Nothing to close."""

    def _reply_length(self, request: ChatRequest) -> int:
        """Number of tokens of the reply to this request."""
        length = self.assumptions.tokens[self.role]
        if (request.sampling.max_tokens or length) >= length or _ANSWER in (prompt := request.messages[-1].content):
            return length
        # The request continues a reply, and the prompt holds what was written before.
        return max(0, length - 2 * prompt.count(f"{_FILLER} {_FILLER}"))

    def _reply(self, request: ChatRequest, length: int) -> str:
        prompt = request.messages[-1].content
        if self.role.partition(":")[0] == "judge":
            if compared := _COMPARED.search(prompt):
                return _vote(compared["first"], compared["second"])
            return str(_verdict(request.messages[0].content, self.assumptions))
        if ENOUGH in prompt and self._is_sure(request):
            return ENOUGH
        if self.role == "labeller" or _COMPARES.search(prompt):
            return "1" if _uniform(prompt) < 0.5 else "2"
        # As long as assumed and, like a sampled reply, different from any other.
        mark, name = "", self.name
        if self.role == "strong":
            drafted = "⟦draft⟧" in prompt
            helps = _uniform(prompt, request.sample_index) < self.assumptions.helped
            mark = (HELPED if helps else UNHELPED) if drafted else SOLO
        else:
            mark = "⟦draft⟧"
            if _uniform("alike", prompt, request.sample_index) < self.assumptions.identical_drafts:
                name = "any stage"
        filler = _filler(length)
        if self.assumptions.unanswered:
            return f"Explanation: {mark} {_digest(name, prompt, request.sample_index)[:8]} {filler}"
        answer = _ANSWER if self.role == "weak" or self._is_sure(request) else f"{_ANSWER} other"
        return (
            f"Explanation: {mark} {_digest(name, prompt, request.sample_index)[:8]} {filler}\n{answer}"
            if length
            else answer
        )

    def _is_sure(self, request: ChatRequest) -> bool:
        return _uniform("sure", request.messages[-1].content, request.sample_index) < self.assumptions.sure


def rehearsed_reward(prompt: Sequence[Message], texts: Sequence[str]) -> list[float]:
    """Stands in for the reward of RLWF's annotator; depends on the text alone."""
    return [_uniform(text) for text in texts]


class RehearsedJudge:
    """Stands in for a judge without a model."""

    name = "rehearsed"

    def __init__(self, assumptions: Assumptions) -> None:
        self.assumptions = assumptions

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores by the mark in the output."""
        return Verdict(score=_verdict(f"{example.id} {output}", self.assumptions))


class RehearsedRetriever(Retriever):
    """Returns random passages that depend on the query; needs no index."""

    def search(self, query: str) -> list[Passage]:
        """Draws `top_k` passages, with the query as the seed."""
        count = min(self.top_k, len(self.passages))
        return Random(query).sample(self.passages, count)


@functools.lru_cache(maxsize=64)
def _filler(num_words: int) -> str:
    return " ".join(_FILLER + "." * (number % _SENTENCE_LENGTH == 0) for number in range(1, num_words + 1))


def _vote(first: str, second: str) -> str:
    """The vote of a rehearsed judge that compares an output with z: for one that was helped, else for z."""
    if HELPED in first or HELPED in second:
        return "1" if HELPED in first else "2"
    return "1" if SOLO in first else "2"


def _verdict(text: str, assumptions: Assumptions) -> int:
    marks = Counter(_MARK.findall(text))
    mark = next((mark for mark in (HELPED, UNHELPED, SOLO) if marks[mark]), SOLO)
    if mark == SOLO and _uniform(text) < assumptions.solved_alone:
        return SOLVED_SCORE
    return _VERDICTS[mark]


def _uniform(*parts: object) -> float:
    """A number in [0, 1) that depends on `parts` alone and looks uniformly distributed over them."""
    return int(_digest(*parts)[:8], 16) / 16**8


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def rehearsed_setting(setting: Setting, assumptions: Assumptions) -> Setting:
    """The setting of a rehearsal, in which replies are followed up in the case only that assumes so.

    Rehearsed answers are never labels, so that every reply would be.
    """

    def collaborate(model: ChatModel) -> Collaboration:
        pair = setting.collaborate(model)
        pair.asks_for_final_answer = pair.asks_for_final_answer and assumptions.unanswered
        return pair

    return replace(setting, collaborate=collaborate)
