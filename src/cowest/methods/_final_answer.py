"""The answer in a method's reply; where there is none, one follow-up call that asks for the final answer alone."""

from typing import Literal

from cowest.collaboration import Calls, Collaboration
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Answer, Example

MAX_TOKENS = 64
"""Of the follow-up's reply."""


@uses("final_answer")
async def final_answer(
    collaboration: Collaboration,
    role: Literal["weak", "strong"],
    task: Task,
    example: Example,
    text: str,
    calls: Calls,
    *,
    found: Answer | None = None,
) -> Answer:
    """The explanation and the answer in a reply.

    Where it holds none and the recipe says `evaluate.final_answer: ask`, the model that wrote it is asked once,
    greedily, for the answer alone; what it says then is the answer, and the explanation stays that of the reply.

    Args:
        role: the model that wrote the reply.
        text: the reply.
        calls: those of the method so far; a follow-up is added.
        found: what is found in the reply; by default what the task finds.

    Raises:
        CompletionError: the follow-up got no usable reply.
    """
    found = task.parse(example, text) if found is None else found
    if not collaboration.asks_for_final_answer or task.has_answer(example, found):
        return found
    values = {"query": example.query, "reply": text}
    follow_up = await collaboration.ask(role, "final_answer", values, max_tokens=MAX_TOKENS, temperature=0.0)
    calls.append((role, follow_up))
    return Answer(explanation=found.explanation, final=task.parse(example, follow_up.text).final)
