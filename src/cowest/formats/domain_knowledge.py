"""Domain knowledge: background for the strong model, without an answer."""

from cowest.types import Answer, Example


class DomainKnowledge:
    """Drafts that state the relevant facts and leave the answer to the strong model."""

    name = "domain_knowledge"
    template = "draft_domain_knowledge"

    def target(self, example: Example) -> str | None:
        """The reference explanation; None where the data has none, since nothing can be learned from the row."""
        return example.explanation or None

    def parse(self, text: str) -> Answer:
        """The whole text is explanation."""
        return Answer(explanation=text.strip(), final=None)


PLUGIN = DomainKnowledge
