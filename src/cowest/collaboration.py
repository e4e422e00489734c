"""draft -> refine -> answer: the one place where the two models meet (paper section 3.4, Algorithm 2).

Feedback, evaluation and serving all go through `Collaboration`, so what is trained is what is measured is what is
served.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from cowest import answers, synchronous
from cowest.formats import Format, load_format
from cowest.models import ChatModel, Openable, open_model
from cowest.prompts import Prompts
from cowest.tasks.base import Task
from cowest.types import Answer, ChatRequest, Completion, Example, Sampling

WEAK_SAMPLING = Sampling(temperature=1.0, top_p=0.9, max_tokens=1028)
"""Paper appendix B.2."""

STRONG_SAMPLING = Sampling(temperature=1.0)
"""Paper appendix B.2: temperature 1, no limit on tokens."""


@dataclass(frozen=True)
class Exchange:
    """What the two models said to one query: y, y* and the answer parsed from y*."""

    draft: Completion
    output: Completion
    answer: Answer


Calls = list[tuple[str, Completion]]
"""Completions in order, each with the role of the model that gave it."""

_counted: ContextVar[Calls | None] = ContextVar("calls that are counted", default=None)


@contextlib.contextmanager
def counting() -> Iterator[Calls]:
    """Collects the completions that collaborations get inside, so that they are known where a later call fails."""
    calls: Calls = []
    token = _counted.set(calls)
    try:
        yield calls
    finally:
        _counted.reset(token)


class Collaboration:
    """A weak and a strong model that answer together: y* = strong(x, weak(x)).

    Args:
        weak: pi_w, the specialist: a model, its name or config, or what `sft` or `align` returned.
        strong: pi_s, the generalist, likewise.
        format: what a draft looks like; a name or a Format.
        prompts: templates; the built-in ones by default.
        weak_sampling, strong_sampling: the paper's settings by default.
        asks_for_final_answer: whether methods ask once more where a reply holds no answer (`final_answer`).

    Examples:
        >>> import cowest
        >>> pair = cowest.Collaboration(
        ...     weak=cowest.ScriptedModel(lambda request: "The government sits in Paris. Answer: Paris"),
        ...     strong=cowest.ScriptedModel(lambda request: "The draft is right. Answer: Paris"),
        ... )
        >>> pair
        Collaboration(weak='scripted/test', strong='scripted/test', format='chain_of_thought')
        >>> pair.answer("What is the capital of France?")
        'Paris'
    """

    def __init__(
        self,
        weak: Openable,
        strong: Openable,
        *,
        format: str | Format = "chain_of_thought",
        prompts: Prompts | None = None,
        weak_sampling: Sampling = WEAK_SAMPLING,
        strong_sampling: Sampling = STRONG_SAMPLING,
        asks_for_final_answer: bool = False,
    ) -> None:
        self.weak: ChatModel = weak if isinstance(weak, ChatModel) else open_model(weak, role="weak")
        self.strong: ChatModel = strong if isinstance(strong, ChatModel) else open_model(strong, role="strong")
        self.format = load_format(format) if isinstance(format, str) else format
        self.prompts = prompts or Prompts()
        self.weak_sampling = weak_sampling
        self.strong_sampling = strong_sampling
        self.asks_for_final_answer = asks_for_final_answer

    def __repr__(self) -> str:
        return f"Collaboration(weak={self.weak.name!r}, strong={self.strong.name!r}, format={self.format.name!r})"

    async def draft(self, query: str, sample_index: int = 0) -> Completion:
        """y ~ pi_w(y | x), Algorithm 1 line 12."""
        return await self._call("weak", self.draft_request(query, sample_index))

    async def solo(self, query: str, sample_index: int = 0, template: str = "solo_chain_of_thought") -> Completion:
        """z ~ pi_s(z | x): the strong model alone, by default with chain of thought (Algorithm 1 line 9)."""
        return await self._call("strong", self.solo_request(query, sample_index, template))

    async def refine(self, query: str, draft: str, sample_index: int = 0) -> Completion:
        """y* ~ pi_s(y* | x, y): the strong model given the draft (Algorithm 1 line 13)."""
        return await self._call("strong", self.refine_request(query, draft, sample_index))

    def draft_request(self, query: str, sample_index: int = 0) -> ChatRequest:
        """What the weak model is sent for a draft."""
        return self._request(self.weak_sampling, self.format.template, sample_index, query=query)

    def solo_request(self, query: str, sample_index: int = 0, template: str = "solo_chain_of_thought") -> ChatRequest:
        """What the strong model is sent when it answers alone."""
        return self._request(self.strong_sampling, template, sample_index, query=query)

    def refine_request(self, query: str, draft: str, sample_index: int = 0) -> ChatRequest:
        """What the strong model is sent with a draft."""
        return self._request(self.strong_sampling, "refine", sample_index, query=query, draft=draft)

    async def exchange(self, query: str, sample_index: int = 0) -> Exchange:
        """Algorithm 2: a draft, the refined output, and the answer in it."""
        draft = await self.draft(query, sample_index)
        output = await self.refine(query, draft.text, sample_index)
        return Exchange(draft=draft, output=output, answer=answers.parse(output.text))

    @functools.cached_property
    def drafts_hold_answers(self) -> bool:
        """Whether a draft in this format says what the answer is."""
        return self.format.parse("Answer: x").final is not None

    def read_draft(self, task: Task, example: Example, text: str) -> Answer:
        """The explanation and the answer in a draft: the format says whether there is one, the task what it is."""
        said = self.format.parse(text)
        if not self.drafts_hold_answers:
            return said
        found = task.parse(example, text)
        return found if task.has_answer(example, found) or said.final is None else said

    def answer(self, query: str) -> str:
        """The final answer to `query`; the whole refined text where no "Answer:" is found in it."""
        exchange = synchronous.run(self.exchange(query))
        return exchange.answer.final or exchange.output.text

    async def ask(
        self,
        role: Literal["weak", "strong"],
        template: str,
        values: Mapping[str, str],
        sample_index: int = 0,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> Completion:
        """One call of one of the two, with any of the prompt templates.

        Args:
            role: which one.
            template: its name.
            values: its variables.
            sample_index: tells samples of the same prompt apart.
            max_tokens: a cap below the one that the model has anyway.
            temperature: in place of the one that the model has.
        """
        sampling = self.weak_sampling if role == "weak" else self.strong_sampling
        if max_tokens is not None:
            sampling = sampling.model_copy(update={"max_tokens": min(max_tokens, sampling.max_tokens or max_tokens)})
        if temperature is not None:
            sampling = sampling.model_copy(update={"temperature": temperature})
        return await self._call(role, self._request(sampling, template, sample_index, **values))

    async def _call(self, role: Literal["weak", "strong"], request: ChatRequest) -> Completion:
        completion = await (self.weak if role == "weak" else self.strong).complete(request)
        if (calls := _counted.get()) is not None:
            calls.append((role, completion))
        return completion

    def _request(self, sampling: Sampling, template: str, sample_index: int, **values: str) -> ChatRequest:
        return ChatRequest(
            messages=self.prompts.render(template, **values),
            sampling=sampling,
            sample_index=sample_index,
            prompt_version=self.prompts.version(template),
        )
