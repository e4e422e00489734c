"""Direct answer: the answer and nothing else."""

from cowest import answers
from cowest.types import Answer, Example


class DirectAnswer:
    """Drafts of the form "Answer: ..."."""

    name = "direct_answer"
    template = "draft_direct_answer"

    def target(self, example: Example) -> str | None:
        """The canonical reference."""
        return f"Answer: {example.references[0]}"

    def parse(self, text: str) -> Answer:
        """Parses the answer."""
        return answers.parse(text)


PLUGIN = DirectAnswer
