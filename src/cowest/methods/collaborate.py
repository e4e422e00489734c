"""CoWest: the strong model refines the weak model's draft (Algorithm 2), before and after each round of alignment."""

from cowest import method_names
from cowest.collaboration import Calls, Collaboration
from cowest.methods._draft_answer import draft_answer
from cowest.methods._final_answer import final_answer
from cowest.methods.base import Method, Setting, predict
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Example, Prediction


class Collaborate:
    """Answers with y* = strong(x, weak(x))."""

    def __init__(self, name: str, collaboration: Collaboration, task: Task, round: int | None = None) -> None:
        self.name = name
        self.collaboration = collaboration
        self.task = task
        self.round = round

    async def predict(self, example: Example) -> Prediction:
        """One call of each model, and another where the output holds no answer and the recipe asks for it."""
        exchange = await self.collaboration.exchange(example.query)
        calls: Calls = [("weak", exchange.draft), ("strong", exchange.output)]
        output = exchange.output.text
        answer = await final_answer(self.collaboration, "strong", self.task, example, output, calls)
        return predict(
            self.name,
            self.task,
            example,
            answer,
            calls,
            draft=exchange.draft.text,
            draft_answer=draft_answer(self.collaboration, self.task, example, exchange.draft),
            output=output,
        )

    async def close(self) -> None:
        """Releases the weak model."""
        await self.collaboration.weak.close()


@uses("refine")
def variants(setting: Setting) -> list[Method]:
    """`collaborate_sft` unaligned, `collaborate_round_N` after each round where there are several, `collaborate`.

    With a weak model on a server there is only `collaborate_served`.
    """
    name = method_names.COLLABORATE_SFT if setting.is_trained else method_names.COLLABORATE_SERVED
    rows: list[Method] = [Collaborate(name, setting.with_weak("sft"), setting.task, setting.first_round)]
    rounds = setting.num_rounds
    for number in range(1, rounds + 1):
        pair = setting.with_weak(f"round_{number}")
        if rounds > 1:
            rows.append(Collaborate(f"collaborate_round_{number}", pair, setting.task, number))
        if number == rounds:
            rows.append(Collaborate("collaborate", pair, setting.task, number))
    return rows


PLUGIN = variants
