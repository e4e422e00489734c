"""Individual feedback: the draft is graded by itself. The ablation behind the paper's central claim."""

from cowest.annotators.base import AgainstSolo
from cowest.prompts.declared import uses
from cowest.types import Draft, Example


@uses("solo_chain_of_thought")
class Individual(AgainstSolo):
    """Grades the draft y alone, by the same rubric and against the same z; the strong model never sees it."""

    name = "individual"
    num_calls_per_draft = 1

    async def judged_text(self, example: Example, draft: Draft) -> str:
        """The draft itself."""
        return draft.text

    def refined_text(self, judged: str) -> str | None:
        """Nothing was refined."""
        return None


PLUGIN = Individual
