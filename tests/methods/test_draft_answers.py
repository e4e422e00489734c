"""The answer in the draft that the pair was given: its score, its label and how sure the weak model was of it."""

import pytest

from cowest.collaboration import Collaboration
from cowest.methods.collaborate import Collaborate
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import Completion, DraftAnswer, Prediction
from tests.methods.quiz import Colours, Quiz, predictions, said


async def predicted(task: Quiz, draft: Completion | str, format_name: str = "chain_of_thought") -> Prediction:
    weak, strong = (ScriptedModel(lambda request, says=says: says) for says in (draft, "Answer: red"))
    pair = Collaboration(weak, strong, format=format_name)
    (found,) = await predictions(Collaborate("collaborate", pair, task), task.test)
    return found


QUIZ, COLOURS = (kind(test=[("Which colour?", "blue")]) for kind in (Quiz, Colours))


@pytest.mark.parametrize(
    ("task", "draft", "expected"),
    [
        (QUIZ, said("Answer: blue", 0.9, 0.4), DraftAnswer(final="blue", correct=1.0, confidence=0.4)),
        (QUIZ, said("Answer: dark red", 0.9, 0.4, 0.1), DraftAnswer(final="dark red", confidence=0.2)),
        (COLOURS, said("Answer: red", 0.9, 0.3), DraftAnswer(final="red", label="red", confidence=0.3)),
        (COLOURS, said("Answer: dark red", 0.9, 0.4, 0.1), DraftAnswer(final="dark red", confidence=0.04)),
        (QUIZ, "Answer: blue", DraftAnswer(final="blue", correct=1.0)),
        (QUIZ, said("I do not know", 0.9), DraftAnswer()),
        (QUIZ, Completion(text="Answer: red", finish_reason="stop", tokens=("x",)), DraftAnswer(final="red")),
    ],
)
async def test_a_draft_is_scored_as_an_answer_of_its_own(
    task: Quiz, draft: Completion | str, expected: DraftAnswer
) -> None:
    found = (await predicted(task, draft)).draft_answer
    assert found is not None
    assert found.model_copy(update={"confidence": expected.confidence}) == expected
    assert found.confidence == (None if expected.confidence is None else pytest.approx(expected.confidence))


async def test_drafts_of_a_format_without_answers_have_none() -> None:
    found = await predicted(QUIZ, "The sky is blue.", "domain_knowledge")
    assert found.draft_answer is None
    assert "draft_answer" not in found.model_dump(mode="json")
