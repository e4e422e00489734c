"""Chain of thought: an explanation, then the answer. The paper's choice."""

from cowest import answers
from cowest.types import Answer, Example


class ChainOfThought:
    """Drafts of the form "Explanation: ... Answer: ..."."""

    name = "chain_of_thought"
    template = "draft_chain_of_thought"

    def target(self, example: Example) -> str | None:
        """Explanation and answer; where the data has no explanation, the answer in the same form."""
        answer = f"Answer: {example.references[0]}"
        return f"Explanation: {example.explanation}\n{answer}" if example.explanation else answer

    def parse(self, text: str) -> Answer:
        """Parses explanation and answer."""
        return answers.parse(text)


PLUGIN = ChainOfThought
