"""A world of feedback where drafts, outputs and verdicts fail at random, judges are not understood and texts repeat."""

from collections import Counter
from collections.abc import Callable

from cowest.errors import CompletionError
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest
from tests.worlds import chance


class NoisyWorld:
    """Models that reply by the request and the number of the world alone.

    Args:
        number: of the world.
        saturated: share of the queries on which the strong model alone has the full score.

    Attributes:
        paid: how often each request got a reply.
        weak, strong: the models; the strong one judges too.
    """

    def __init__(self, number: int, saturated: float = 0.0) -> None:
        self._number = number
        self._saturated = saturated
        self.paid: Counter[str] = Counter()
        self.weak, self.strong = self._model("weak", self._draft), self._model("strong", self._refine_or_judge)

    def _model(self, name: str, reply: Callable[[ChatRequest], str | Exception]) -> ScriptedModel:
        def counted(request: ChatRequest) -> str | Exception:
            given = reply(request)
            self.paid[name + request.model_dump_json()] += isinstance(given, str)
            return given

        return ScriptedModel(counted, name=f"scripted/{name}", identity=name)

    def _draft(self, request: ChatRequest) -> str | Exception:
        luck = chance(self._number, "weak", request.messages[-1].content, request.sample_index)
        return CompletionError("no draft") if luck < 0.08 else f"draft {int(6 * luck)}"

    def _refine_or_judge(self, request: ChatRequest) -> str | Exception:
        text = request.messages[-1].content
        luck = chance(self._number, "strong", text, request.sample_index)
        if "<<<REFERENCE" in request.messages[0].content:
            solo = "z alone" in text
            score = 10 if solo and luck < self._saturated else 1 + int(10 * luck)
            return CompletionError("no verdict") if 0.5 < luck < 0.54 else "good" if luck > 0.9 else str(score)
        if "draft" not in text:
            return f"z alone {text[-40:]}"
        return CompletionError("refused") if luck < 0.08 else f"refined {int(4 * luck)}"
