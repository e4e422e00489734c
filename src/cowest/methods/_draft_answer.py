"""The answer in the draft that the strong model was given, with its score and the weak model's confidence in it."""

from cowest.collaboration import Collaboration
from cowest.methods._probabilities import confidence
from cowest.tasks.base import Task
from cowest.types import Completion, DraftAnswer, Example


def draft_answer(collaboration: Collaboration, task: Task, example: Example, draft: Completion) -> DraftAnswer | None:
    """The answer in a draft, scored as an answer of its own; None where drafts of this format hold none.

    The confidence is the probability that the weak model gave to the answer's tokens: of a label their product, of an
    open answer their geometric mean. It is None where the model gave no log-probabilities.
    """
    if not collaboration.drafts_hold_answers:
        return None
    found = collaboration.read_draft(task, example, draft.text)
    return DraftAnswer(
        final=found.final,
        label=task.label_of(example, found),
        correct=task.score(example, found)[task.metric],
        confidence=None if found.final is None else _confidence(collaboration, task, example, draft),
    )


def _confidence(collaboration: Collaboration, task: Task, example: Example, draft: Completion) -> float | None:
    if not draft.tokens or len(draft.tokens) != len(draft.token_logprobs or ()):
        return None

    def read(text: str) -> str | None:
        return collaboration.read_draft(task, example, text).final

    return min(1.0, confidence(draft, read, "weak", is_label=task.gold_label(example) is not None))
