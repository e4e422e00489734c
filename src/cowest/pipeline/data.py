"""Which examples of the recipe's task each stage uses."""

from collections.abc import Sequence
from functools import cached_property

from cowest.errors import InputError
from cowest.methods.base import normalized_question
from cowest.pipeline.progress import Say
from cowest.pipeline.traffic import is_from_traffic, traffic
from cowest.recipe import Recipe
from cowest.stages.evaluate import select
from cowest.stages.held_back import hold_back
from cowest.tasks import Split, Task, load_task
from cowest.types import Example


class Data:
    """The recipe's task, and the examples of each stage.

    Args:
        recipe: names the task and says how its rows are divided.
        say: called with one line where rows are left out.
    """

    def __init__(self, recipe: Recipe, say: Say) -> None:
        self._recipe = recipe
        self._say = say

    @cached_property
    def task(self) -> Task:
        """The recipe's task."""
        task = load_task(self._recipe.task.name, **self._recipe.task.options)
        task.accepts_unanswered = not self._recipe.needs_references
        return task

    @cached_property
    def checked_task(self) -> Task:
        """The task after `task.overlap` was applied to questions that two splits share.

        Raises:
            InputError: two splits share questions, and the recipe refuses that (the default).
        """
        self.task.settle_overlap()
        if dropped := len(self.task.dropped):
            self._say(f"data: {dropped} rows that a later split has too are left out (task.overlap: drop)")
        return self.task

    def sft(self) -> Sequence[Example]:
        """The training rows for SFT."""
        return self._sft_rows_and_held_back[0]

    def feedback(self) -> Sequence[Example]:
        """The training rows, or the recorded traffic, from which each round of feedback draws its queries."""
        return self._traffic if is_from_traffic(self._recipe) else self._training_rows(1)

    @cached_property
    def _traffic(self) -> Sequence[Example]:
        return traffic(self._recipe, self.checked_task, self._say)

    def evaluation(self) -> Sequence[Example]:
        """The examples of the evaluation."""
        return select(self.checked_task.split(self._recipe.evaluate.split), self._recipe.evaluate)

    def gate(self) -> tuple[Sequence[Example], Sequence[Example]]:
        """The examples on which the gate is learned, and those on which it is then tested; the latter may be empty.

        Raises:
            InputError: there is no validation split, or it cannot be used.
        """
        recipe, task = self._recipe, self.checked_task
        test = select(task.test, recipe.evaluate) if recipe.task.test is not None else ()
        return task.validation[: recipe.serve.gate.limit], test

    def unseen(self) -> Sequence[Example]:
        """Examples that are neither trained on nor evaluated, so that predictions on them are unbiased.

        The rows of `sft.held_back`, else those that feedback keeps out of SFT, else the validation split; empty where
        the recipe has none of them. Rows whose question occurs in the SFT data are left out.
        """
        recipe, evaluated = self._recipe, self._recipe.evaluate.split
        if recipe.sft.held_back is not None and evaluated != "train":
            unseen = self._sft_rows_and_held_back[1]
        elif recipe.feedback.queries_from == "held_back" and evaluated != "train":
            unseen = self.feedback()
        elif recipe.task.validation is not None and evaluated != "validation":
            unseen = self.checked_task.validation
        else:
            return ()
        unseen = self._answered(unseen)
        seen = {normalized_question(self.task.identity(example)) for example in self.sft()} if recipe.task.train else ()
        return [example for example in unseen if normalized_question(self.task.identity(example)) not in seen]

    @cached_property
    def _sft_rows_and_held_back(self) -> tuple[Sequence[Example], Sequence[Example]]:
        """The rows that SFT may see: those that it is trained on, and those of `sft.held_back`."""
        rows, count = self._answered(self._training_rows(0)), self._recipe.sft.held_back
        if count is None:
            return rows, ()
        if count >= len(rows):
            raise InputError(
                f"sft.held_back is {count}, but SFT has only {len(rows)} rows. Keep fewer back, or give more rows."
            )
        return hold_back(rows, self.task.groups(rows), count, f"sft held back {self._recipe.seed}")

    def _answered(self, rows: Sequence[Example]) -> Sequence[Example]:
        """The rows that have a reference; the others are for feedback alone."""
        if self._recipe.needs_references or all(example.references for example in rows):
            return rows
        return Split(self.task, "train", (example for example in rows if example.references))

    def _training_rows(self, part: int) -> Sequence[Example]:
        """The training rows for SFT (part 0) or feedback (part 1)."""
        config, train = self._recipe.feedback, self.checked_task.train
        return self._held_back_for_feedback[part] if config.queries_from == "held_back" else train

    @cached_property
    def _held_back_for_feedback(self) -> tuple[Sequence[Example], Sequence[Example]]:
        train = self.checked_task.train
        count = round(len(train) * self._recipe.feedback.held_back_share)
        return hold_back(train, self.task.groups(train), count, f"held back {self._recipe.seed}")
