"""FLARE (Jiang et al. 2023): the strong model writes sentence by sentence and retrieves where it is unsure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from cowest import retrieval
from cowest.collaboration import Calls, Collaboration
from cowest.errors import CompletionError
from cowest.methods._final_answer import final_answer
from cowest.methods._options import FLAREOptions
from cowest.methods._probabilities import Token, tokens_of
from cowest.methods.base import Method, Setting, predict
from cowest.prompts.declared import uses
from cowest.retrieval import Passage, Retriever
from cowest.tasks.base import Task
from cowest.types import Completion, Example, Prediction

# A sentence ends at a full stop, question or exclamation mark before a space, or at the end of a line.
_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\s+|\n\s*")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
# Where no reply has a limit: a model that is asked to go on may never end, and every sentence is a call.
_MAX_TOKENS = 1024


class Sentence(NamedTuple):
    """The first sentence of a generated text, and whether the reply ends with it."""

    text: str
    tokens: tuple[Token, ...]
    is_last: bool


class FLARE:
    """Answers with the strong model and retrieves passages where it is not confident."""

    name = "flare"
    round: int | None = None

    def __init__(self, collaboration: Collaboration, task: Task, retriever: Retriever, options: FLAREOptions) -> None:
        self.collaboration = collaboration
        self.task = task
        self.retriever = retriever
        self.options = options
        self._max_tokens = options.max_tokens or collaboration.strong_sampling.max_tokens or _MAX_TOKENS
        self._logprobs_error: str | None = None

    async def predict(self, example: Example) -> Prediction:
        """One call of the strong model per sentence, and another where it is unsure and new passages are found.

        Raises:
            CompletionError: a call got no usable reply, or the model gives no log-probabilities.
        """
        if self._logprobs_error is not None:
            raise CompletionError(self._logprobs_error)  # saves paying for an unusable reply
        passages = self.retriever.search(self.task.question_of(example))
        written, num_tokens, is_last = "", 0, False
        calls: Calls = []
        while not is_last and num_tokens < self._max_tokens:
            max_tokens = min(self.options.ahead_tokens, self._max_tokens - num_tokens)
            # Greedy: a sampled token may be improbable by chance, though the model is sure of another.
            sentence = await self._next_sentence(example.query, written, passages, max_tokens, calls, temperature=0.0)
            if (query := self._query(sentence.tokens)) and (found := self.retriever.search(query)) != passages:
                passages = found
                sentence = await self._next_sentence(example.query, written, passages, max_tokens, calls)
            written = _append(written, sentence.text)
            num_tokens += len(sentence.tokens)
            is_last = sentence.is_last
        answer = await final_answer(self.collaboration, "strong", self.task, example, written, calls)
        return predict(self.name, self.task, example, answer, calls, output=written.strip())

    async def close(self) -> None:
        """Keeps the strong model, which the other methods need too."""

    async def _next_sentence(
        self,
        query: str,
        written: str,
        passages: list[Passage],
        max_tokens: int,
        calls: Calls,
        temperature: float | None = None,
    ) -> Sentence:
        completion = await self.collaboration.ask(
            "strong",
            "flare",
            {"query": query, "passages": retrieval.numbered(passages), "written": written.strip()},
            max_tokens=max_tokens,
            temperature=temperature,
        )
        calls.append(("strong", completion))
        try:
            return first_sentence(completion)
        except CompletionError as error:
            self._logprobs_error = str(error)
            raise

    def _query(self, tokens: Sequence[Token]) -> str:
        """The query made of a sentence: its likely tokens; empty if all are probable, or none."""
        if all(token.is_above(self.options.sure_above) for token in tokens):
            return ""
        kept = "".join(token.text if token.is_above(self.options.masked_up_to) else " " for token in tokens)
        return " ".join(kept.split())


def first_sentence(completion: Completion) -> Sentence:
    """The first sentence of a reply; it is the last where a blank line or the reply's own end follows.

    Raises:
        CompletionError: the model gave no log-probabilities.
    """
    text = completion.text
    if (
        not text.strip() and not completion.tokens
    ):  # the model had nothing more to write, so there are no tokens to check
        return Sentence(text, (), is_last=True)
    tokens = tokens_of(completion, "strong")
    start = len(text) - len(text.lstrip())
    blank = _BLANK_LINE.search(text, start)
    paragraph_end = len(text) if blank is None else blank.start()
    boundary = _SENTENCE_END.search(text, start, paragraph_end)
    end = paragraph_end if boundary is None else boundary.end()
    reply_ended = blank is not None or completion.finish_reason == "stop" or not text.strip()
    is_last = reply_ended and end >= len(text[:paragraph_end].rstrip())
    # A token that opens the next sentence may begin with the space after this one.
    length = len(text[:end].rstrip())
    return Sentence(text[:end], tuple(token for token in tokens if token.content_start < length), is_last)


def _append(written: str, sentence: str) -> str:
    needs_space = written and not written[-1].isspace() and not sentence[:1].isspace()
    return f"{written} {sentence}" if needs_space else written + sentence


@uses("flare")
def variants(setting: Setting) -> list[Method]:
    """`flare`."""
    options = setting.options.flare
    setting.needs_logprobs("flare", "strong")
    return [FLARE(setting.without_weak(), setting.task, setting.passages_for("flare"), options)]


PLUGIN = variants
