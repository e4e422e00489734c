"""SKR (Wang et al. 2023): retrieve only where retrieval helped the strong model on similar training questions."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from cowest import answers, retrieval
from cowest.collaboration import Calls, Collaboration
from cowest.errors import CowestError
from cowest.methods._options import SKROptions
from cowest.methods.base import Method, Setting, predict, prepare
from cowest.prompts.declared import uses
from cowest.records import Preparation
from cowest.retrieval import Retriever
from cowest.tasks.base import Task
from cowest.types import Completion, Example, Prediction


class Experience(NamedTuple):
    """A training question that was answered rightly in one of the two ways only."""

    question: str
    retrieval_helped: bool


class Experiences:
    """What the strong model knows by itself: training questions, searched by TF-IDF and cosine.

    Args:
        found: the questions and which way was right.
        neighbours: how many vote.
        num_compared: training questions that were answered both ways, those with no difference included.
    """

    def __init__(self, found: Sequence[Experience], neighbours: int, num_compared: int) -> None:
        self._found = found
        self._neighbours = neighbours
        self._num_compared = num_compared
        self._prior = _lead(found)
        self._vectors: Any = None
        if found:
            from sklearn.feature_extraction.text import TfidfVectorizer

            self._vectorizer = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b")
            self._vectors = self._vectorizer.fit_transform([each.question for each in found])

    def wants_retrieval(self, question: str) -> bool:
        """Whether to retrieve: the rule of SKR's published code, with its prior and its ties.

        What is more frequent among the training questions needs a majority of the nearest ones, by at least the lead
        that as many questions have on average; else the rarer of the two is chosen. Where retrieval helped as often as
        not, it is what needs the majority. The same question never votes on itself, nor does one that shares no word
        with it.
        """
        nearest = self.nearest(question)
        lead = _lead(nearest)
        margin = abs(self._prior) * len(nearest) // self._num_compared if nearest else 0
        if self._prior < 0:
            return lead >= 0 or -lead < margin
        return lead > 0 and lead >= margin

    def nearest(self, question: str) -> list[Experience]:
        """The nearest questions, nearest first; of equally near ones the first of the data."""
        if self._vectors is None:
            return []
        similarities = (self._vectors @ self._vectorizer.transform([question]).T).toarray().ravel()
        order = (-similarities).argsort(kind="stable")
        near = [self._found[int(index)] for index in order if similarities[index] > 0]
        return [each for each in near if _same(each.question) != _same(question)][: self._neighbours]


class SKR:
    """Answers with the strong model, which gets passages where similar training questions say that it needs them."""

    name = "skr"
    round: int | None = None

    def __init__(
        self, collaboration: Collaboration, task: Task, retriever: Retriever, options: SKROptions, seed: int
    ) -> None:
        self.collaboration = collaboration
        self.task = task
        self.retriever = retriever
        self.options = options
        self.seed = seed
        self._experiences: Experiences | None = None

    async def prepare(self, num_in_flight: int) -> Preparation:
        """Two calls of the strong model for each training question: without passages, and with them."""
        train = self.task.train
        count = min(self.options.questions or len(train), len(train))
        chosen = sorted(Random(f"skr {self.seed}").sample(range(len(train)), count))
        found, preparation = await prepare(self.name, [train[index] for index in chosen], self._compare, num_in_flight)
        num_compared = count - (preparation.num_failed or 0)
        self._experiences = Experiences(found, self.options.neighbours, num_compared)
        return preparation

    async def predict(self, example: Example) -> Prediction:
        """One call of the strong model."""
        if self._experiences is None:
            raise CowestError("SKR predicts from its experiences with training questions. Call prepare() first.")
        question = self.task.question_of(example)
        retrieves = self._experiences.wants_retrieval(question)
        output = await (self._with_passages(example) if retrieves else self.collaboration.solo(example.query))
        return predict(self.name, self.task, example, answers.parse(output.text), [("strong", output)])

    async def close(self) -> None:
        """Keeps the strong model, which the other methods need too."""

    async def _compare(self, example: Example) -> tuple[Experience | None, Calls]:
        without = await self.collaboration.solo(example.query)
        with_passages = await self._with_passages(example)
        calls = [("strong", without), ("strong", with_passages)]
        helped = self._is_right(example, with_passages)
        if helped == self._is_right(example, without):
            return None, calls
        return Experience(self.task.question_of(example), helped), calls

    async def _with_passages(self, example: Example) -> Completion:
        passages = self.retriever.search(self.task.question_of(example))
        return await self.collaboration.ask(
            "strong", "solo_with_passages", {"query": example.query, "passages": retrieval.numbered(passages)}
        )

    def _is_right(self, example: Example, output: Completion) -> bool:
        return self.task.score(example, answers.parse(output.text))[self.task.metric] == 1.0


def _lead(experiences: Sequence[Experience]) -> int:
    """How many more were answered rightly with retrieval than without."""
    return sum(1 if each.retrieval_helped else -1 for each in experiences)


def _same(question: str) -> str:
    return " ".join(question.casefold().split())


@uses("solo_chain_of_thought", "solo_with_passages")
def variants(setting: Setting) -> list[Method]:
    """`skr`."""
    options = setting.options.skr
    retriever = setting.passages_for("skr")
    _ = setting.task.train  # its answers are needed, and a missing file must show before anything is paid
    return [SKR(setting.without_weak(), setting.task, retriever, options, setting.seed)]


PLUGIN = variants
