"""A world for gates: queries that say who gets them right, a weak model that says how sure it is, and their recipes."""

from collections.abc import Iterable
from typing import Any

from cowest.tasks.base import Task
from cowest.types import Answer, ChatRequest, Completion, Example
from tests.methods.quiz import said

SURE = {"easy": 0.9, "odd": 0.2, "hard": 0.5}
"""How sure the draft is, by the kind of query: easy ones it gets right, odd ones only the strong model alone does, and
hard ones only both."""

KINDS = ("easy", "odd", "hard", "hard")


class Kinds(Task):
    """So many queries of each kind; `unlucky` splits are those in which nobody is ever right."""

    name = "kinds"
    metric = "accuracy"

    def __init__(self, unlucky: tuple[str, ...] = (), **splits: Any) -> None:
        super().__init__(**splits)
        self.unlucky = unlucky  # nobody is ever right in these

    def read(self, location: str) -> Iterable[Example]:
        split, _, count = location.partition(":")
        for index in range(int(count)):
            kind = KINDS[index % len(KINDS)]
            gold = "nobody" if split in self.unlucky else "right"
            yield Example(id=f"{split}-{index}", query=f"[{kind}] {split} {index}?", references=(gold,))

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        return {"accuracy": float(answer.final == example.references[0])}


def kind_of(request: ChatRequest) -> str:
    return request.messages[-1].content.partition("[")[2].partition("]")[0]


def weak_reply(request: ChatRequest) -> Completion:
    """For recipes: `scripted/tests.gating.gated:weak_reply`."""
    kind = kind_of(request)
    return said(f"Explanation: a draft. Answer: {'right' if kind == 'easy' else 'wrong'}", SURE[kind])


def strong_reply(request: ChatRequest) -> Completion:
    """For recipes: `scripted/tests.gating.gated:strong_reply`."""
    kind, has_draft = kind_of(request), "a draft." in request.messages[-1].content
    right = (kind == "odd" and not has_draft) or (kind in ("hard", "easy") and has_draft)
    usage = {"prompt_tokens": 100 if has_draft else 50, "completion_tokens": 10}
    return Completion.model_validate(
        said(f"Explanation: heard. Answer: {'right' if right else 'wrong'}").model_dump() | {"usage": usage}
    )


def silent_reply(request: ChatRequest) -> str:
    """A weak model that does not say how sure it is."""
    return weak_reply(request).text


def recipe_of(run: str, **changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "run": run,
        "task": {"name": "tests.gating.gated:Kinds", "validation": "validation:16", "test": "test:8"},
        "weak": {"model": "scripted/tests.gating.gated:weak_reply"},
        "strong": {
            "model": "scripted/tests.gating.gated:strong_reply",
            "price": {"input": 10.0, "output": 100.0},
        },
        "serve": {"gate": "calibrated"},
    }
    return data | changes
