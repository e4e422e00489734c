"""What a method is: a way to get a prediction for an example."""

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
from cowest.types import Answer, Example, Prediction, Usage

Result = TypeVar("Result")


@runtime_checkable
class Method(Protocol):
    """A row of the results: something that answers examples.

    `round` says which round's aligned model it uses, where it uses one.
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
        """Releases the memory of models that hardly any other method needs."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """A method that learns from training examples before it predicts."""

    async def prepare(self, num_in_flight: int) -> Preparation:
        """Gets ready, with at most `num_in_flight` examples at once; called once, before `predict`.

        Raises:
            CompletionError: it cannot get ready, so that every one of its predictions fails.
        """
        ...


@dataclass(frozen=True)
class Setting:
    """What the methods of a run are made from.

    Attributes:
        weak: the weak model's stages by name: "base", "sft", "round_1", "round_2", ...
        strong: the strong model.
        collaborate: makes the collaboration of a weak model with the strong one, sampled as evaluation samples.
        task: scores the answers.
        seed: of whatever a method draws.
        options: what the recipe says under `evaluate.settings`.
        retriever: over the recipe's corpus; None where it names none.
        unseen: gives the examples that the weak model was not trained on and that are not measured, if there are any.
        logprobs: by role, whether completions carry log-probabilities; None where only a reply will tell.
        count_tokens: tokens of a text for the strong model.
    """

    weak: Mapping[str, ChatModel]
    strong: ChatModel
    collaborate: Callable[[ChatModel], Collaboration]
    task: Task
    seed: int = 0
    options: MethodOptions = field(default_factory=MethodOptions)
    retriever: Retriever | None = None
    unseen: Callable[[], Sequence[Example]] = tuple
    logprobs: Mapping[str, bool | None] = field(default_factory=dict)
    count_tokens: Callable[[str], int] = lambda text: len(text.encode("utf-8", "surrogatepass"))

    def with_weak(self, stage: str) -> Collaboration:
        """The strong model with the weak one as it is after `stage`."""
        return self.collaborate(self.weak[stage])

    def without_weak(self) -> Collaboration:
        """The strong model in both places, for methods that never draft."""
        return self.collaborate(self.strong)

    def passages_for(self, method: str) -> Retriever:
        """The retriever, its corpus read.

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
        """Checks what can be known before the first call.

        Raises:
            InputError: the model of this role is known to give no log-probabilities.
        """
        if self.logprobs.get(role) is False:
            raise InputError(
                f"The method {method} reads the probabilities of the {role} model's tokens, but this one is not asked "
                f"for them. Write {role}.options: {{logprobs: true}} if its endpoint gives them, or leave {method} out "
                "of evaluate.methods; they are never guessed."
            )

    @property
    def num_rounds(self) -> int:
        """How many rounds of alignment there are."""
        return sum(name.startswith("round_") for name in self.weak)


def predict(
    method: str,
    task: Task,
    example: Example,
    answer: Answer,
    calls: Calls,
    *,
    draft: str | None = None,
    output: str | None = None,
) -> Prediction:
    """Makes the prediction record of one example from the completions it took; `output` is the last one's text."""
    scores = task.score(example, answer)
    num_calls, usage, cost_usd = spend(calls)
    return Prediction(
        id=example.id,
        method=method,
        query=example.query,
        reference=example.references,
        draft=draft,
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
    num_in_flight: int,
) -> tuple[list[Result], Preparation]:
    """Works on every example and keeps, in their order, the results that are not None; says what it took."""
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
            f"{method} could not get ready: all of its {len(examples)} examples failed, first with: {failures[0]}"
        )
    calls, usage, cost_usd = spend([call for _, its_calls in outcomes for call in its_calls])
    results = [result for result, _ in outcomes if result is not None]
    return results, Preparation(
        num_examples=len(examples),
        num_used=len(results),
        num_failed=len(failures),
        calls=calls,
        usage=usage,
        cost_usd=cost_usd,
    )


def spend(calls: Calls) -> tuple[dict[str, int], dict[str, Usage], float | None]:
    """Number of calls and tokens by role, and their money; None where a price is unknown."""
    num_calls: dict[str, int] = {}
    usage: dict[str, Usage] = {}
    for role, completion in calls:
        num_calls[role] = num_calls.get(role, 0) + 1
        usage[role] = usage.get(role, Usage()) + completion.usage
    return num_calls, usage, total_usd(completion.cost_usd for _, completion in calls)
