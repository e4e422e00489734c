"""Which examples each stage takes from the recipe's task."""

from collections.abc import Sequence
from functools import cached_property
from random import Random

from cowest.errors import InputError
from cowest.pipeline.progress import Say
from cowest.recipe import Recipe
from cowest.stages.evaluate import select
from cowest.stages.feedback import hold_back
from cowest.tasks import Task, load_task
from cowest.types import Example


class Data:
    """The recipe's task, and the examples of each stage.

    Args:
        recipe: says which rows go where.
        say: takes a line where rows are left out.
    """

    def __init__(self, recipe: Recipe, say: Say) -> None:
        self._recipe = recipe
        self._say = say

    @cached_property
    def task(self) -> Task:
        """The recipe's task."""
        return load_task(self._recipe.task.name, **self._recipe.task.options)

    @cached_property
    def settled(self) -> Task:
        """The task, with `task.overlap` applied to questions that two splits share.

        Raises:
            InputError: two splits share some, and the recipe refuses that (the default).
        """
        self.task.settle_overlap()
        if dropped := len(self.task.dropped):
            self._say(f"data: {dropped} rows that a later split has too are left out (task.overlap: drop)")
        return self.task

    def sft(self) -> Sequence[Example]:
        """The training rows that SFT learns from."""
        return self._learned_and_held_back[0]

    def feedback(self) -> Sequence[Example]:
        """The training rows that each round of feedback draws its queries from."""
        return self._divided(1)

    def evaluation(self) -> Sequence[Example]:
        """The examples that are measured."""
        return select(self.settled.split(self._recipe.evaluate.split), self._recipe.evaluate)

    def gate(self) -> tuple[Sequence[Example], Sequence[Example]]:
        """The examples that the gate is learned from, and those it is then tried on; the latter may be none.

        Raises:
            InputError: there is no validation split, or it cannot be used.
        """
        recipe, task = self._recipe, self.settled
        tried_on = select(task.test, recipe.evaluate) if recipe.task.test is not None else ()
        return task.validation[: recipe.serve.gate.limit], tried_on

    def unseen(self) -> Sequence[Example]:
        """Examples that the weak model was not trained on and that are not measured: predictions on them are honest.

        The rows of `sft.held_back`, else those that feedback keeps out of SFT, else the validation split; none where
        the recipe has none of them. A row whose question SFT saw elsewhere is left out.
        """
        recipe, measured = self._recipe, self._recipe.evaluate.split
        if recipe.sft.held_back is not None and measured != "train":
            unseen = self._learned_and_held_back[1]
        elif recipe.feedback.queries_from == "held_back" and measured != "train":
            unseen = self.feedback()
        elif recipe.task.validation is not None and measured != "validation":
            unseen = self.settled.validation
        else:
            return ()
        seen = {_as_asked(self.task.identity(example)) for example in self.sft()} if recipe.task.train else ()
        return [example for example in unseen if _as_asked(self.task.identity(example)) not in seen]

    @cached_property
    def _learned_and_held_back(self) -> tuple[Sequence[Example], Sequence[Example]]:
        """The rows that SFT may see, without and only those of `sft.held_back`."""
        rows, count = self._divided(0), self._recipe.sft.held_back
        if count is None:
            return rows, ()
        if count >= len(rows):
            raise InputError(
                f"sft.held_back is {count}, but SFT has only {len(rows)} rows. Keep fewer back, or give more rows."
            )
        chosen = set(Random(f"sft held back {self._recipe.seed}").sample(range(len(rows)), count))
        learned = [row for index, row in enumerate(rows) if index not in chosen]
        return learned, [rows[index] for index in sorted(chosen)]

    def _divided(self, part: int) -> Sequence[Example]:
        config, train = self._recipe.feedback, self.settled.train
        return hold_back(train, config, self._recipe.seed)[part] if config.queries_from == "held_back" else train


def _as_asked(question: str) -> str:
    return " ".join(question.casefold().split())
