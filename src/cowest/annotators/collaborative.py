"""Collaborative feedback (paper section 3.3.1): a draft is worth what the strong model makes of it."""

from cowest.annotators.base import AgainstSolo
from cowest.prompts.declared import uses
from cowest.types import Draft, Example


@uses("solo_chain_of_thought", "refine")
class Collaborative(AgainstSolo):
    """Grades y* = strong(x, y): Algorithm 1 lines 13 and 14."""

    name = "collaborative"
    num_calls_per_draft = 2

    async def judged_text(self, example: Example, draft: Draft) -> str:
        """y*, the strong model's output given the draft."""
        return (await self.collaboration.refine(example.query, draft.text, draft.sample_index)).text


PLUGIN = Collaborative
