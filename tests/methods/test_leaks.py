"""What no request may hold: gold answers, explanations and fields of the examples that are measured, or of training."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from cowest import plugins, synchronous
from cowest.methods import make_methods
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, Completion, Example
from tests.methods.quiz import Quiz, asked, corpus, predictions, said, setting

SPLITS = ("train", "unseen", "test")
CANARIES = {
    f"{split} {what}": f"canary-{split}-{what}" for split in SPLITS for what in ("answer", "explanation", "fact")
}
MAY_SHOW = {"super_icl": {"unseen answer"}, "oracle": {"test answer"}}
"""A demonstration has a label, and the ceiling is the strong model with the task's own draft."""


class Canaries(Quiz):
    def read(self, location: str) -> Iterable[Example]:
        for example in super().read(location):
            yield example.model_copy(
                update={
                    "references": (CANARIES[f"{location} answer"],),
                    "explanation": CANARIES[f"{location} explanation"],
                    "fields": {"question": example.query, "fact": CANARIES[f"{location} fact"]},
                }
            )

    def oracle_draft(self, example: Example) -> str:
        return f"Answer: {example.references[0]}"


def task() -> Canaries:
    made = Canaries(
        train=[("How fast is a snail?", ""), ("How loud is a snail?", "")], test=[("How big is a snail?", "")] * 1
    )
    made.rows |= {"unseen": [("How old is a snail?", "")]}
    return made


def knowing(request: ChatRequest) -> Completion:
    """Answers training questions rightly half of the time, so that there is something to learn from."""
    asks_train = "fast" in request.messages[-1].content
    return said(f"Explanation: so.\nAnswer: {CANARIES['train answer'] if asks_train else 'tiny'}", 0.5)


@pytest.mark.parametrize("name", plugins.choices("cowest.methods"))
@pytest.mark.parametrize("wholly", [False, True], ids=["answers of its own", "always sure"])
def test_no_request_holds_what_is_not_to_be_known(name: str, wholly: bool, tmp_path: Path) -> None:
    made = task()
    script = (lambda request: said("Answer: tiny")) if wholly else knowing
    weak, strong = ScriptedModel(script), ScriptedModel(script)
    whole = setting(
        made,
        strong=strong,
        stages=dict.fromkeys(("base", "sft", "round_1", "round_2"), weak),
        retriever=corpus(tmp_path, "A snail is fast.", "A snail is old."),
        unseen=lambda: list(made.read("unseen")),
    )
    for method in make_methods([name], whole):
        synchronous.run(predictions(method, made.test))
    sent = "\n".join(asked(weak) + asked(strong))
    assert "How big is a snail?" in sent
    shown = {what for what, canary in CANARIES.items() if canary in sent}
    assert shown <= MAY_SHOW.get(name, set())
    assert shown or name not in MAY_SHOW  # the canaries are alive


def test_training_answers_are_seen_by_scoring_only(tmp_path: Path) -> None:
    """SKR learns from which of its answers is right; the words of the right one reach no prompt."""
    made, strong = task(), ScriptedModel(knowing)
    (method,) = make_methods(["skr"], setting(made, strong=strong, retriever=corpus(tmp_path, "A snail is fast.")))
    synchronous.run(predictions(method, made.test))
    assert len(strong.requests) == 2 * 2 + 1
    assert not any(canary in text for canary in CANARIES.values() for text in asked(strong))
