"""A judge that does not declare which templates it uses."""

from typing import Any

from cowest.types import Example, Verdict


class PlainJudge:
    """Says nothing of templates. Its options have names that a model as a judge has too."""

    name = "plain"

    def __init__(self, task: Any, panel: Any = None, model: Any = None) -> None:
        pass

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        return Verdict(score=3)
