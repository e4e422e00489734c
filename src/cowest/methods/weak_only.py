"""The weak model alone: after SFT, and before any training."""

from cowest.collaboration import Calls, Collaboration
from cowest.methods._final_answer import final_answer
from cowest.methods.base import Method, Setting, predict
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Example, Prediction


class WeakOnly:
    """Answers with the weak model's own draft."""

    def __init__(self, name: str, collaboration: Collaboration, task: Task, round: int | None = None) -> None:
        self.name = name
        self.collaboration = collaboration
        self.task = task
        self.round = round

    async def predict(self, example: Example) -> Prediction:
        """One call of the weak model, and another where the draft holds no answer and the recipe asks for it."""
        draft = await self.collaboration.draft(example.query)
        calls: Calls = [("weak", draft)]
        read = self.collaboration.read_draft(self.task, example, draft.text)
        answer = await final_answer(self.collaboration, "weak", self.task, example, draft.text, calls, found=read)
        return predict(self.name, self.task, example, answer, calls, draft=draft.text, output=draft.text)

    async def close(self) -> None:
        """Releases the weak model."""
        await self.collaboration.weak.close()


@uses()
def variants(setting: Setting) -> list[Method]:
    """`weak_only` after SFT, and `weak_only_base` before it."""
    rows: list[Method] = [WeakOnly("weak_only", setting.with_weak("sft"), setting.task, setting.first_round)]
    if "base" in setting.weak:
        rows.append(WeakOnly("weak_only_base", setting.with_weak("base"), setting.task))
    return rows


PLUGIN = variants
