"""A quiz of invented questions, models that say how sure they are, and the setting of a method's test."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cowest.collaboration import STRONG_SAMPLING, Collaboration
from cowest.methods import Setting
from cowest.methods.base import Method, Prepared
from cowest.models.providers.scripted import Script, ScriptedModel
from cowest.retrieval import Retriever
from cowest.tasks.base import Task
from cowest.types import Answer, ChatRequest, Completion, Example, Prediction

Rows = Sequence[tuple[str, str]]


class Quiz(Task):
    """Questions with open answers, given as (query, reference) by split."""

    name = "quiz"
    metric = "accuracy"

    def __init__(self, **splits: Rows) -> None:
        super().__init__(**dict.fromkeys(splits, "here"))
        self.locations = {name: name if name in splits else None for name in self.locations}
        self.rows = splits

    def read(self, location: str) -> Iterable[Example]:
        for number, (query, reference) in enumerate(self.rows[location]):
            yield Example(id=f"{location}-{number}", query=query, references=(reference,))

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        return {"accuracy": float(answer.final == example.references[0])}


class Colours(Quiz):
    """The same, where the answers are labels."""

    def gold_label(self, example: Example) -> str:
        return example.references[0]

    def label_of(self, example: Example, answer: Answer) -> str | None:
        return answer.final if answer.final in ("red", "blue") else None


def said(text: str, *probabilities: float, finish_reason: str = "stop") -> Completion:
    """A reply whose tokens are its words, each with the spaces before it; the last probability holds for the rest."""
    tokens = re.findall(r"\s*\S+|\s+$", text)
    sure = [*probabilities, *[probabilities[-1] if probabilities else 1.0] * len(tokens)][: len(tokens)]
    return Completion(
        text=text,
        finish_reason=finish_reason,
        tokens=tuple(tokens),
        token_logprobs=tuple(math.log(probability) for probability in sure),
    )


def setting(task: Task, *, weak: Any = "Answer: w", strong: Any = "Answer: s", **more: Any) -> Setting:
    """A setting with one scripted model of each kind; a text is what it always says."""
    models = [each if isinstance(each, ScriptedModel) else ScriptedModel(_script(each)) for each in (weak, strong)]
    format_name = more.pop("format", "chain_of_thought")
    sampling = more.pop("strong_sampling", STRONG_SAMPLING)
    return Setting(
        weak=more.pop("stages", None) or {"sft": models[0]},
        strong=models[1],
        collaborate=lambda model: Collaboration(model, models[1], format=format_name, strong_sampling=sampling),
        task=task,
        **more,
    )


def _script(says: Any) -> Script | Iterable[Any]:
    return (lambda request: says) if isinstance(says, str | Completion) else says


def asked(model: Any) -> list[str]:
    """The text of every request that a scripted model got."""
    return [text_of(request) for request in model.requests]


def text_of(request: ChatRequest) -> str:
    (message,) = request.messages
    assert message.role == "user"
    return message.content


async def predictions(method: Method, examples: Iterable[Example]) -> list[Prediction]:
    """What a method answers, made ready if it is to be."""
    if isinstance(method, Prepared):
        await method.prepare(1)
    return [await method.predict(example) for example in examples]


def corpus(folder: Path, *texts: str, top_k: int = 2) -> Retriever:
    """A retriever over a few passages."""
    import json

    file = folder / "corpus.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return Retriever(str(file), top_k)


def by_prompt(replies: Callable[[str], Any]) -> Script:
    """A script that depends on the prompt alone."""
    return lambda request: replies(text_of(request))
