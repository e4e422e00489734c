"""A task and an annotator of your own. It runs at once: two functions stand in for the models.

python examples/own_task.py
"""

from collections.abc import Iterator

import cowest
from cowest.annotators.base import AgainstSolo
from cowest.judge import AnswerMatchJudge
from cowest.types import Answer, ChatRequest, Draft, Example

CAPITALS = {"France": "Paris", "Peru": "Lima", "Kenya": "Nairobi", "Japan": "Tokyo", "Norway": "Oslo"}


class Capitals(cowest.Task):
    """What is the capital of a country? The location is a list of countries here; it may be any file."""

    name = "capitals"
    metric = "accuracy"

    def read(self, location: str) -> Iterator[Example]:
        for country in location.split(","):
            yield Example(id=country, query=f"What is the capital of {country}?", references=(CAPITALS[country],))

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        return {"accuracy": float((answer.final or "").casefold() == example.references[0].casefold())}


class ShortDrafts(AgainstSolo):
    """Grades what the strong model makes of a draft's first 80 characters, so that drafts come to the point."""

    name = "short_drafts"

    async def judged_text(self, example: Example, draft: Draft) -> str:
        return (await self.collaboration.refine(example.query, draft.text[:80], draft.sample_index)).text

    def refined_text(self, judged: str) -> str:
        return judged


def weak_reply(request: ChatRequest) -> str:
    """Knows every capital; only its even samples come to the point."""
    capital = next(capital for country, capital in CAPITALS.items() if country in request.messages[-1].content)
    return ("" if request.sample_index % 2 == 0 else "That depends on what one calls a capital. " * 3) + capital


def strong_reply(request: ChatRequest) -> str:
    """Knows no capital, and repeats one that it is told."""
    asked = request.messages[-1].content
    return "Answer: " + next((capital for capital in CAPITALS.values() if capital in asked), "I do not know")


task = Capitals(train="France,Peru,Kenya", test="Japan,Norway")
weak, strong = cowest.ScriptedModel(weak_reply), cowest.ScriptedModel(strong_reply)  # or cowest.model("openai/...")

pairs = cowest.feedback(
    task.train,
    weak=weak,
    strong=strong,
    judge=AnswerMatchJudge(task),
    kind=f"{__name__}:ShortDrafts",  # in a recipe: feedback.kind: my_package.annotators:ShortDrafts
    samples=4,
    out="runs/own_task/feedback",
)
print(f"{len(pairs)} pairs, such as {pairs[0].chosen[0].content!r} before {pairs[0].rejected[0].content!r}")
print(cowest.evaluate(task.test, {"strong alone": strong, "together": cowest.Collaboration(weak, strong)}))
