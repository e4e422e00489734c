"""SKR (Wang et al. 2023): retrieve only where retrieval helped the strong model on similar training questions."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from cowest import retrieval
from cowest.collaboration import Calls, Collaboration
from cowest.errors import CowestError
from cowest.methods._final_answer import final_answer
from cowest.methods._options import SKROptions
from cowest.methods.base import Method, Setting, normalized_question, predict, prepare
from cowest.prompts.declared import uses
from cowest.records import Preparation
from cowest.retrieval import Retriever
from cowest.tasks.base import Task
from cowest.types import Completion, Example, Prediction


class KnownQuestion(NamedTuple):
    """A training question answered correctly in exactly one of the two ways, with or without retrieval."""

    question: str
    retrieval_helped: bool


class SelfKnowledge:
    """What the strong model knows by itself: training questions, searched with TF-IDF and cosine similarity.

    Args:
        questions: each with the way that gave the correct answer.
        neighbours: number of questions that vote.
        num_compared: training questions answered both ways, including those without a difference.
    """

    def __init__(self, questions: Sequence[KnownQuestion], neighbours: int, num_compared: int) -> None:
        self._questions = questions
        self._neighbours = neighbours
        self._num_compared = num_compared
        self._prior = _lead(questions)
        self._vectors: Any = None
        if questions:
            from sklearn.feature_extraction.text import TfidfVectorizer

            self._vectorizer = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b")
            self._vectors = self._vectorizer.fit_transform([known.question for known in questions])

    def wants_retrieval(self, question: str) -> bool:
        """Whether to retrieve, by the rule of SKR's published code.

        The more frequent outcome of the training questions needs a majority of the nearest ones, and a lead no smaller
        than the one it has in as many training questions on average; otherwise the other outcome is chosen. If
        retrieval helped as often as not, it is the one that needs the majority. A question does not vote on itself, and
        one without a common word does not vote.
        """
        nearest = self.nearest(question)
        lead = _lead(nearest)
        margin = abs(self._prior) * len(nearest) // self._num_compared if nearest else 0
        if self._prior < 0:
            return lead >= 0 or -lead < margin
        return lead > 0 and lead >= margin

    def nearest(self, question: str) -> list[KnownQuestion]:
        """The nearest questions, nearest first; ties in the order of the data."""
        if self._vectors is None:
            return []
        similarities = (self._vectors @ self._vectorizer.transform([question]).T).toarray().ravel()
        order = (-similarities).argsort(kind="stable")
        near = [self._questions[int(index)] for index in order if similarities[index] > 0]
        own = normalized_question(question)
        return [known for known in near if normalized_question(known.question) != own][: self._neighbours]


class SKR:
    """Answers with the strong model, which gets passages where it needed them on similar training questions."""

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
        self._knowledge: SelfKnowledge | None = None

    async def prepare(self, num_in_flight: int | None) -> Preparation:
        """Two calls of the strong model per training question: without passages and with them."""
        train = self.task.train
        count = min(self.options.questions or len(train), len(train))
        chosen = sorted(Random(f"skr {self.seed}").sample(range(len(train)), count))
        questions, preparation = await prepare(
            self.name, [train[index] for index in chosen], self._answer_both_ways, num_in_flight
        )
        num_compared = count - (preparation.num_failed or 0)
        self._knowledge = SelfKnowledge(questions, self.options.neighbours, num_compared)
        return preparation

    async def predict(self, example: Example) -> Prediction:
        """One call of the strong model."""
        if self._knowledge is None:
            raise CowestError("SKR predicts from the results on training questions. Call prepare() first.")
        question = self.task.question_of(example)
        retrieves = self._knowledge.wants_retrieval(question)
        output = await (self._with_passages(example) if retrieves else self.collaboration.solo(example.query))
        calls: Calls = [("strong", output)]
        answer = await final_answer(self.collaboration, "strong", self.task, example, output.text, calls)
        return predict(self.name, self.task, example, answer, calls, output=output.text)

    async def close(self) -> None:
        """Keeps the strong model, which the other methods need too."""

    async def _answer_both_ways(self, example: Example) -> tuple[KnownQuestion | None, Calls]:
        without = await self.collaboration.solo(example.query)
        with_passages = await self._with_passages(example)
        calls = [("strong", without), ("strong", with_passages)]
        helped = self._is_correct(example, with_passages)
        if helped == self._is_correct(example, without):
            return None, calls
        return KnownQuestion(self.task.question_of(example), helped), calls

    async def _with_passages(self, example: Example) -> Completion:
        passages = self.retriever.search(self.task.question_of(example))
        return await self.collaboration.ask(
            "strong", "solo_with_passages", {"query": example.query, "passages": retrieval.numbered(passages)}
        )

    def _is_correct(self, example: Example, output: Completion) -> bool:
        return self.task.score(example, self.task.parse(example, output.text))[self.task.metric] == 1.0


def _lead(questions: Sequence[KnownQuestion]) -> int:
    """How many more were answered correctly with retrieval than without."""
    return sum(1 if known.retrieval_helped else -1 for known in questions)


@uses("solo_chain_of_thought", "solo_with_passages")
def variants(setting: Setting) -> list[Method]:
    """`skr`."""
    options = setting.options.skr
    retriever = setting.passages_for("skr")
    _ = setting.task.train  # raises now if the file is missing, before anything is paid
    return [SKR(setting.without_weak(), setting.task, retriever, options, setting.seed)]


PLUGIN = variants
