"""Who answers a request while serving: what `cowest gate` learned, and the requests that it says nothing about."""

from cowest import runs
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.fingerprints import differences
from cowest.gating import Arm, Policy, confidence
from cowest.gating.calibration import RESULT, made_for, unmet
from cowest.recipe import Recipe
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


def load_gate(recipe: Recipe, pair: Collaboration) -> Gate | None:
    """The gate of a run as its recipe wants it; None where both models answer always.

    Raises:
        InputError: the gate was not calibrated yet, or for another pair, other prompts, prices or targets.
    """
    if recipe.serve.gate.kind == "always":
        return None
    path = runs.RunFolder(recipe.run).gate / RESULT
    advice = "Run `cowest gate` with this recipe (calls that were made before are not paid for again)"
    if not path.is_file():
        raise InputError(f"serve.gate is `calibrated`, but {str(path)!r} is not there. {advice}.")
    result = runs.read_json(path)
    try:
        policy, before = Policy.model_validate(result["policy"]), dict(result["made_for"])
        note = None if result["met"] else f"the gate's target is not met: {unmet(result)}"
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{str(path)!r} is not what `cowest gate` wrote there. {advice}.") from error
    now = made_for(pair, recipe.serve.gate, {"weak": recipe.weak, "strong": recipe.strong})
    if changed := differences(before, now):
        raise InputError(
            f"The gate in {str(path)!r} was calibrated for something else: {'; '.join(changed)}. {advice}, or serve "
            "with serve.gate=always."
        )
    return Gate(policy, note)


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
