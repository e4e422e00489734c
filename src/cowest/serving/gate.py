"""Who answers a request while serving: the run's gate, where the request is one that it was calibrated on."""

from cowest.collaboration import Collaboration
from cowest.gating import Arm, Policy, confidence
from cowest.gating.loading import load_gate
from cowest.recipe import Recipe
from cowest.runs import RunFolder
from cowest.serving.conversation import Call
from cowest.serving.fields import LIMITS, NEUTRAL, WITHOUT_INFLUENCE
from cowest.serving.wire import Json
from cowest.types import Completion

_HARMLESS = WITHOUT_INFLUENCE | {"stop", "stream_options", "temperature", "top_p", *LIMITS}
"""Fields that leave a question what it was when the gate was calibrated; a draft must keep to the limits."""


class Gate:
    """Decides who answers, after the draft.

    Args:
        policy: as it was learned.
        note: what whoever runs the server must hear of it; None where all is well.
    """

    def __init__(self, policy: Policy, note: str | None = None) -> None:
        self.policy = policy
        self.note = note

    def arm(self, call: Call, draft: Completion) -> Arm:
        """Who answers; both, where the request is none of those that the gate was calibrated on."""
        if not _is_single_question(call):
            return "both"
        arm = self.policy.arm(confidence(draft))
        return "both" if arm == "draft" and not _fits(draft, call.fields) else arm


def gate_of(recipe: Recipe, pair: Collaboration) -> Gate | None:
    """The gate of a run as its recipe wants it; None where both models always answer.

    Raises:
        InputError: the gate was not calibrated yet, or for another pair, other prompts, prices or targets.
    """
    models = {"weak": recipe.weak, "strong": recipe.strong}
    loaded = load_gate(recipe.serve.gate, RunFolder(recipe.run).gate, pair, models)
    return None if loaded is None else Gate(loaded.policy, loaded.note)


def _is_single_question(call: Call) -> bool:
    """Whether a request is one question in text, with nothing that shapes the answer: the only kind calibrated on."""
    messages = call.conversation.messages
    if len(messages) != 1:
        return False
    content = messages[0].get("content")
    is_text = isinstance(content, str) or all(part.get("type") == "text" for part in content or ())
    return is_text and all(
        name in _HARMLESS or (name in NEUTRAL and value in NEUTRAL[name]) or (name == "n" and value == 1)
        for name, value in call.fields.items()
    )


def _fits(draft: Completion, fields: Json) -> bool:
    """Whether a draft keeps to the limits that the client set for the answer."""
    stop = fields.get("stop") or ()
    stops = (stop,) if isinstance(stop, str) else stop
    limits = [fields[name] for name in LIMITS if name in fields]
    is_known = isinstance(stops, list | tuple) and all(isinstance(each, str) for each in stops)
    return (
        is_known
        and not any(each in draft.text for each in stops)
        and all(isinstance(limit, int) and draft.usage.completion_tokens <= limit for limit in limits)
    )
