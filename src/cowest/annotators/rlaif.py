"""RLAIF (Lee et al. 2024): the strong model, or a labeller, says which of two drafts is better, and uses neither."""

from collections.abc import Sequence

from cowest import answers, preferences
from cowest.annotators.base import BaseAnnotator
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, InputError
from cowest.judge import Judge
from cowest.models import ChatModel
from cowest.prompts.declared import uses
from cowest.prompts.fence import fence_mark
from cowest.types import ChatRequest, ComparedExample, Comparison, Draft, Example, Sampling

TEMPLATE = "rlaif_compare"
VOTES = ("1", "2")


@uses(TEMPLATE)
class Rlaif(BaseAnnotator):
    """Compares the first draft with the second, the third with the fourth, and so on, each in both orders.

    The two votes are averaged, so a preference for a position is a tie and gives no pair. The labeller votes at
    temperature 0 and sees no reference; the judge is not asked. Equal drafts are a tie without a call, since the two
    orders would be one request.

    Args:
        collaboration: the two models.
        labeller: who compares; None is the strong model, as in the paper.
        labeller_sampling: of its replies, but for the temperature; None is the strong model's.
        samples: K; 2 * floor(K / 2) drafts are made, for floor(K / 2) pairs at most, as in Algorithm 1.
        until_pair: compare further drafts only while no comparison has a winner.
        judge, skip_settled: taken like those of every annotator, and of no use here.

    Raises:
        InputError: fewer than two samples.
    """

    name = "rlaif"

    def __init__(
        self,
        collaboration: Collaboration,
        judge: Judge,
        *,
        samples: int = 5,
        skip_settled: bool = True,
        until_pair: bool = False,
        labeller: ChatModel | None = None,
        labeller_sampling: Sampling | None = None,
    ) -> None:
        if samples < 2:
            raise InputError("rlaif compares two drafts, so feedback.samples must be 2 or more. Raise it.")
        self.collaboration = collaboration
        self.num_comparisons = samples // 2
        self.until_pair = until_pair
        self._labeller = labeller or collaboration.strong
        self._who = "strong model" if labeller is None else "labeller"
        self._sampling = (labeller_sampling or collaboration.strong_sampling).model_copy(update={"temperature": 0.0})

    async def annotate(self, example: Example) -> ComparedExample:
        """Compares the drafts of `example`.

        Raises:
            CompletionError: none of the drafts could be had.
        """
        drafts: list[Draft | CompletionError] = []
        comparisons: list[Comparison] = []
        while len(comparisons) < self.num_comparisons and not (self.until_pair and _have_winner(comparisons)):
            wave = 1 if self.until_pair else self.num_comparisons
            indices = list(range(len(drafts), len(drafts) + 2 * wave))
            drafts += await map_in_flight(lambda index: self._draft(example, index), indices, len(indices))
            beside = [(index, drafts[index], drafts[index + 1]) for index in indices[::2]]
            comparisons += await map_in_flight(lambda item: self._compare(example, *item), beside, len(beside))
        if all(isinstance(draft, CompletionError) for draft in drafts):
            raise CompletionError(str(drafts[0]))
        return ComparedExample(
            example_id=example.id,
            query=example.query,
            drafts=tuple(draft for draft in drafts if isinstance(draft, Draft)),
            comparisons=tuple(comparisons),
        )

    async def _draft(self, example: Example, index: int) -> Draft | CompletionError:
        try:
            completion = await self.collaboration.draft(example.query, index)
        except CompletionError as error:
            return error
        return Draft(text=completion.text, sample_index=index, finish_reason=completion.finish_reason)

    async def _compare(
        self, example: Example, index: int, first: Draft | CompletionError, second: Draft | CompletionError
    ) -> Comparison:
        def outcome(preference: float | None, reason: str | None = None) -> Comparison:
            return Comparison(first=index, second=index + 1, preference=preference, unscored_reason=reason)

        if not (isinstance(first, Draft) and isinstance(second, Draft)):
            return outcome(None, f"a draft could not be had: {first if isinstance(first, CompletionError) else second}")
        if first.text.strip() == second.text.strip():
            return outcome(0.5)
        orders = [(first.text, second.text), (second.text, first.text)]
        try:
            straight, swapped = await map_in_flight(lambda texts: self._vote(example.query, *texts), orders, 2)
        except CompletionError as error:
            return outcome(None, str(error))
        for vote in (straight, swapped):
            if vote not in VOTES:
                return outcome(None, f"the {self._who}'s comparison is neither 1 nor 2, but {vote[:80]!r}")
        return outcome(((straight == "1") + (swapped == "2")) / 2)

    async def _vote(self, query: str, first: str, second: str) -> str:
        prompts, mark = self.collaboration.prompts, fence_mark(first + second)
        request = ChatRequest(
            messages=prompts.render(TEMPLATE, query=query, first=first, second=second, mark=mark),
            sampling=self._sampling,
            prompt_version=prompts.version(TEMPLATE),
        )
        text = (await self._labeller.complete(request)).text.strip()
        # A labeller may reason first, as some of the paper's do; then its vote is the final answer.
        return text if text in VOTES else (answers.parse(text).final or text)


def _have_winner(comparisons: Sequence[Comparison]) -> bool:
    return any(preferences.decide(comparison) is not None for comparison in comparisons)


PLUGIN = Rlaif
