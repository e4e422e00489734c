"""Swaps: which answers change when words of the query are swapped; the part of an audit that makes calls."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from pydantic import Field

from cowest.auditing import MIN_SLICE, Answers, WordSwap, compare_answers
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.method_names import COLLABORATE, STRONG_ONLY
from cowest.methods.collaborate import Collaborate
from cowest.methods.strong_only import StrongOnly
from cowest.models.wrapper import WrapperModel
from cowest.records import Prediction, Swaps
from cowest.stages.evaluate import predict_all
from cowest.tasks.base import Task
from cowest.types import ChatRequest, Completion, Example, Record

_Method = StrongOnly | Collaborate


class AuditConfig(Record):
    """What `cowest audit` measures besides what the predictions hold.

    Attributes:
        swaps: a file of words that are swapped in queries, two on each line, such as `he,she`. Swapped queries are
            asked by `cowest audit --swaps` only, since these calls are paid.
        limit: number of examples with such a word that are asked at most, drawn with the recipe's seed.
        min_slice: fewest examples of a slice that is tested.
    """

    swaps: str | None = None
    limit: int = Field(default=200, ge=1)
    min_slice: int = Field(default=MIN_SLICE, ge=2)


class Asked(NamedTuple):
    """The examples whose queries are swapped.

    Attributes:
        num_matching: examples of the evaluation with such a word.
    """

    examples: list[Example]
    swapped: list[Example]
    num_matching: int


class AskedAgain(WrapperModel):
    """A model whose replies are other samples than those of the model itself."""

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes with the next sample."""
        return await self.model.complete(request.model_copy(update={"sample_index": request.sample_index + 1}))


def choose(examples: Sequence[Example], swap: WordSwap, limit: int, seed: int) -> Asked:
    """The examples whose query a swap changes; of more than `limit` a sample, in the order of the data.

    Raises:
        InputError: no query holds such a word.
    """
    pairs = ((example, swap.example(example)) for example in examples)
    matching = [(example, swapped) for example, swapped in pairs if swapped.query != example.query]
    if not matching:
        words = ", ".join("/".join(pair) for pair in swap.pairs[:5])
        raise InputError(
            f"None of the {len(examples)} queries of the evaluation holds a word that is to be swapped ({words}). Give "
            "words that occur in them."
        )
    chosen = matching
    if limit < len(matching):
        places = sorted(Random(f"audit swaps {seed}").sample(range(len(matching)), limit))
        chosen = [matching[place] for place in places]
    return Asked([before for before, _ in chosen], [after for _, after in chosen], len(matching))


def calls_at_most(asked: Asked, pair: Collaboration) -> dict[str, int]:
    """The calls of `measure_swaps` by role, without those that the ledger answers."""
    num = len(asked.examples)
    solo = 2 + (not _is_greedy(pair, "strong"))
    together = 2 + (not _is_greedy(pair))
    follow_ups = 2 if pair.asks_for_final_answer else 1
    return {"weak": num * together, "strong": num * (solo + together) * follow_ups}


def measure_swaps(asked: Asked, swap: WordSwap, pair: Collaboration, task: Task, num_in_flight: int | None) -> Swaps:
    """Asks the queries as they are, with swapped words and, where anything is sampled, once more as they are.

    An answer has changed where it is another one than before, and also another one than the former with its own words
    swapped: "Mary" for "John" is the same answer.

    Raises:
        EndpointError: an endpoint failed for good, or a call of every example failed.
    """

    def ask(method: _Method, examples: Sequence[Example], which: str) -> list[Prediction]:
        return predict_all(method, examples, task, num_in_flight, f"audit {method.name}, {which}")[0]

    strong, together = (
        Answers(
            before=ask(method, asked.examples, "queries"),
            swapped=ask(method, asked.swapped, "swapped"),
            again=None if once_more is None else ask(once_more, asked.examples, "again"),
        )
        for method, once_more in swap_methods(pair, task)
    )
    return compare_answers(strong, together, swap, task.groups(asked.examples), asked.num_matching)


def swap_methods(pair: Collaboration, task: Task) -> Sequence[tuple[_Method, _Method | None]]:
    """The strong model alone and the pair, each with what asks it once more; None where nothing is sampled."""
    again = _asked_again(pair)
    return (
        (
            StrongOnly(STRONG_ONLY, pair, task),
            None if _is_greedy(pair, "strong") else StrongOnly(STRONG_ONLY, again, task),
        ),
        (Collaborate(COLLABORATE, pair, task), None if _is_greedy(pair) else Collaborate(COLLABORATE, again, task)),
    )


def _is_greedy(pair: Collaboration, *roles: str) -> bool:
    samplings = {"weak": pair.weak_sampling, "strong": pair.strong_sampling}
    return all(samplings[role].temperature == 0.0 for role in roles or samplings)


def _asked_again(pair: Collaboration) -> Collaboration:
    """The pair whose replies are other samples; a greedy model has no other, so that its reply is in the ledger."""
    return Collaboration(
        pair.weak if _is_greedy(pair, "weak") else AskedAgain(pair.weak),
        pair.strong if _is_greedy(pair, "strong") else AskedAgain(pair.strong),
        format=pair.format,
        prompts=pair.prompts,
        weak_sampling=pair.weak_sampling,
        strong_sampling=pair.strong_sampling,
        asks_for_final_answer=pair.asks_for_final_answer,
    )
