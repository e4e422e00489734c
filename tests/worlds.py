"""A small world for tests: a task of sums, and scripted models whose replies depend on the request alone."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from cowest import answers
from cowest.models.providers.scripted import ScriptedModel
from cowest.tasks import LabelTask, Task
from cowest.types import Answer, ChatRequest, Example, Verdict


class Sums(Task):
    """What is 3 plus 4?"""

    name = "sums"
    metric = "accuracy"

    def read(self, location: str) -> Iterable[Example]:
        return sums(int(location))

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        return {"accuracy": float(answer.final == example.references[0])}

    def oracle_draft(self, example: Example) -> str | None:
        return f"Answer: {example.references[0]}"


def sums(count: int) -> list[Example]:
    return [
        Example(id=f"sum-{index}", query=f"What is {index} plus {index + 1}?", references=(str(2 * index + 1),))
        for index in range(count)
    ]


class Parity(LabelTask):
    """Is the number odd or even?"""

    name = "parity"
    labels = ("odd", "even")

    def read(self, location: str) -> list[Example]:
        return [
            Example(id=str(number), query=f"Is {number} odd or even?", references=(("even", "odd")[number % 2],))
            for number in range(int(location))
        ]


def coin_reply(request: ChatRequest) -> str:
    """Says odd or even by chance."""
    return f"Answer: {'odd' if chance(request.messages[-1].content, request.sample_index) < 0.5 else 'even'}"


def even_reply(request: ChatRequest) -> str:
    """Says what the draft says, and even without one."""
    return "Answer: odd" if "Answer: odd" in request.messages[-1].content else "Answer: even"


def chance(*parts: object) -> float:
    """A number in [0, 1) that is a function of its arguments."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def gamble(name: str, odds: float, request: ChatRequest) -> str:
    """Answers a sum rightly with probability `odds`, decided by the request's text and sample index alone."""
    text = request.messages[-1].content
    words = text.split()
    first = int(words[words.index("is") + 1]) if "is" in words else 0
    answer = 2 * first + 1 if chance(name, text, request.sample_index) < odds else -1
    return f"Explanation: {name} {request.sample_index}.\nAnswer: {answer}"


def gambler(name: str, odds: float) -> ScriptedModel:
    """A scripted model that gambles."""
    return ScriptedModel(lambda request: gamble(name, odds, request), name=f"scripted/{name}", identity=name)


def vote_reply(request: ChatRequest) -> str:
    """A labeller that votes for the draft whose text is later in the alphabet; for the first where it cannot read."""
    _, _, rest = request.messages[-1].content.partition("<<<FIRST")
    first, _, second = rest.partition("<<<SECOND")
    return "2" if second.partition("\nSECOND")[0] > first.partition("\nFIRST")[0] else "1"


class ScoreBy:
    """A judge that scores by a function of example and output; None is unscored."""

    name = "scored"

    def __init__(self, score: Callable[[Example, str], int | None]) -> None:
        self._score = score
        self.calls: list[tuple[str, str]] = []

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        self.calls.append((example.id, output))
        score = self._score(example, output)
        return Verdict(score=score) if score is not None else Verdict(unscored_reason="scripted")


def right_or_wrong(example: Example, output: str) -> int:
    return 10 if answers.parse(output).final == example.references[0] else 1


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def weak_reply(request: ChatRequest) -> str:
    """For recipes: `scripted/tests.worlds:weak_reply`."""
    return gamble("weak", 0.4, request)


def strong_reply(request: ChatRequest) -> str:
    """For recipes: `scripted/tests.worlds:strong_reply`."""
    return gamble("strong", 0.5, request)


def judge_reply(request: ChatRequest) -> str:
    """For recipes: `scripted/tests.worlds:judge_reply`."""
    return str(1 + int(10 * chance("judge", request.messages[0].content, request.sample_index)))
