"""No drafts: only the strong model alone and its verdict, for alignment that drafts while it trains (`grpo`)."""

from cowest.annotators.base import PERFECT, BaseAnnotator
from cowest.collaboration import Collaboration
from cowest.judge import Judge, as_base_judge
from cowest.prompts.declared import uses
from cowest.types import Example, GradedExample


@uses("solo_chain_of_thought", "refine")
class Solo(BaseAnnotator):
    """Grades z: Algorithm 1 lines 9 and 10. Drafts are compared with it later.

    Args:
        collaboration: the two models, of which the strong one is called.
        judge: E.
        samples: not used.
        skip_settled: whether queries on which z has the full score are to be left out later.
    """

    name = "solo"
    num_calls_per_draft = 0

    def __init__(
        self, collaboration: Collaboration, judge: Judge, *, samples: int = 0, skip_settled: bool = True
    ) -> None:
        self.collaboration = collaboration
        self.judge = as_base_judge(judge)
        self.skip_settled = skip_settled

    async def annotate(self, example: Example) -> GradedExample:
        """Grades z.

        Raises:
            CompletionError: z got no usable reply.
        """
        solo = await self.collaboration.solo(example.query)
        verdict = await self.judge.solo(example, solo.text)
        skipped = "solo_unscored" if verdict.value is None else None
        if self.skip_settled and verdict.score == PERFECT:
            skipped = "solo_perfect"
        return GradedExample(
            example_id=example.id,
            query=example.query,
            solo=solo.text,
            solo_verdict=verdict,
            drafts=(),
            skipped=skipped,
        )


PLUGIN = Solo
