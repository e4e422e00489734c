"""The interface of methods, which make a prediction for an example, and what they share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from cowest.collaboration import Calls, Collaboration, counting
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, InputError
from cowest.methods._options import MethodOptions
from cowest.models.base import ChatModel
from cowest.pricing import total_usd
from cowest.progress import progress_bar
from cowest.records import Preparation
from cowest.retrieval import Retriever
from cowest.tasks.base import Task
from cowest.types import Answer, DraftAnswer, Example, Prediction, Usage

Result = TypeVar("Result")


@runtime_checkable
class Method(Protocol):
    """A row of the results: something that answers examples.

    `round` is that of the weak model it uses, 0 after SFT; None where it uses none that was trained.
    """

    name: str
    round: int | None

    async def predict(self, example: Example) -> Prediction:
        """Answers one example.

        Raises:
            CompletionError: a call got no usable reply.
        """
        ...

    async def close(self) -> None:
        """Releases the memory of models that few other methods need."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """A method that learns from training examples before it predicts."""

    async def prepare(self, num_in_flight: int | None) -> Preparation:
        """Prepares the method, with at most `num_in_flight` examples at once; called once, before `predict`.

        Raises:
            CompletionError: the preparation failed, so that every prediction fails.
        """
        ...


@dataclass(frozen=True)
class Setting:
    """What the methods of a run are made from.

    Attributes:
        weak: the weak model's stages by name: "base", "sft", "round_1", "round_2", ...; "sft" is also one on a server.
        strong: the strong model.
        collaborate: makes the collaboration of a weak model with the strong one, with the sampling of evaluation.
        task: scores the answers.
        is_trained: whether the weak model is trained here, and not on a server as it is.
        seed: for random draws of methods.
        options: the recipe's `evaluate.settings`.
        retriever: over the recipe's corpus; None without a corpus.
        unseen: returns the examples that are neither trained on nor evaluated; may be empty.
        logprobs: by role, whether completions have log-probabilities; None where only a reply can show it.
        count_tokens: counts a text's tokens for the strong model.
    """

    weak: Mapping[str, ChatModel]
    strong: ChatModel
    collaborate: Callable[[ChatModel], Collaboration]
    task: Task
    is_trained: bool = True
    seed: int = 0
    options: MethodOptions = field(default_factory=MethodOptions)
    retriever: Retriever | None = None
    unseen: Callable[[], Sequence[Example]] = tuple
    logprobs: Mapping[str, bool | None] = field(default_factory=dict)
    count_tokens: Callable[[str], int] = lambda text: len(text.encode("utf-8", "surrogatepass"))

    @property
    def first_round(self) -> int | None:
        """The round that rows of the unaligned weak model belong to; None where it is not trained here."""
        return 0 if self.is_trained else None

    def with_weak(self, stage: str) -> Collaboration:
        """The strong model with the weak one after `stage`."""
        return self.collaborate(self.weak[stage])

    def without_weak(self) -> Collaboration:
        """The strong model in both places, for methods that never draft."""
        return self.collaborate(self.strong)

    def passages_for(self, method: str) -> Retriever:
        """The retriever, after reading its corpus.

        Raises:
            InputError: the recipe names no corpus, or one that cannot be used.
        """
        if self.retriever is None:
            raise InputError(
                f"The method {method} retrieves, but the recipe names no corpus. Name a JSONL file whose rows have a "
                f"`text`: retrieval: {{corpus: FILE}}, or leave {method} out of evaluate.methods."
            )
        _ = self.retriever.passages
        return self.retriever

    def needs_logprobs(self, method: str, role: str) -> None:
        """Checks log-probabilities as far as possible before the first call.

        Raises:
            InputError: the model of this role is known to give no log-probabilities.
        """
        if self.logprobs.get(role) is False:
            raise InputError(
                f"The method {method} reads the probabilities of the {role} model's tokens, but this one is not asked "
                f"for them, or does not keep them. Write {role}.options: {{logprobs: true}} if its endpoint gives "
                f"them, and leave out {role}.keep_logprobs; or leave {method} out of evaluate.methods. They are never "
                "guessed."
            )

    @property
    def num_rounds(self) -> int:
        """The number of rounds of alignment."""
        return sum(name.startswith("round_") for name in self.weak)


def predict(
    method: str,
    task: Task,
    example: Example,
    answer: Answer,
    calls: Calls,
    *,
    draft: str | None = None,
    draft_answer: DraftAnswer | None = None,
    output: str | None = None,
) -> Prediction:
    """Makes the prediction of one example from its calls; `output` is by default the text of the last one."""
    scores = task.score(example, answer)
    num_calls, usage, cost_usd = spend(calls)
    return Prediction(
        id=example.id,
        method=method,
        query=example.query,
        reference=example.references,
        draft=draft,
        draft_answer=draft_answer,
        output=output if output is not None else calls[-1][1].text,
        answer=answer.final,
        correct=scores[task.metric],
        scores=scores,
        gold_label=task.gold_label(example),
        label=task.label_of(example, answer),
        calls=num_calls,
        usage=usage,
        latency_s=sum(completion.latency_s for _, completion in calls),
        cost_usd=cost_usd,
    )


async def prepare(
    method: str,
    examples: Sequence[Example],
    work: Callable[[Example], Awaitable[tuple[Result | None, Calls]]],
    num_in_flight: int | None,
) -> tuple[list[Result], Preparation]:
    """Applies `work` to every example; returns the results that are not None, in order, and the cost."""
    failures: list[CompletionError] = []

    with progress_bar(f"prepare {method}", total=len(examples)) as bar:

        async def attempt(example: Example) -> tuple[Result | None, Calls]:
            with counting() as calls:
                try:
                    return await work(example)
                except CompletionError as error:
                    failures.append(error)
                    return None, calls
                finally:
                    bar.advance(1)

        outcomes = await map_in_flight(attempt, examples, num_in_flight)
    if failures and len(failures) == len(examples):
        raise CompletionError(
            f"{method} could not be prepared: all of its {len(examples)} examples failed, first with: {failures[0]}"
        )
    calls, usage, cost_usd = spend([call for _, example_calls in outcomes for call in example_calls])
    results = [result for result, _ in outcomes if result is not None]
    return results, Preparation(
        num_examples=len(examples),
        num_used=len(results),
        num_failed=len(failures),
        calls=calls,
        usage=usage,
        cost_usd=cost_usd,
    )


def normalized_question(question: str) -> str:
    """A question without differences in case and spacing, to recognise the same one elsewhere."""
    return " ".join(question.casefold().split())


def spend(calls: Calls) -> tuple[dict[str, int], dict[str, Usage], float | None]:
    """Number of calls and tokens by role, and their money; None where a price is unknown."""
    num_calls: dict[str, int] = {}
    usage: dict[str, Usage] = {}
    for role, completion in calls:
        num_calls[role] = num_calls.get(role, 0) + 1
        usage[role] = usage.get(role, Usage()) + completion.usage
    return num_calls, usage, total_usd(completion.cost_usd for _, completion in calls)
