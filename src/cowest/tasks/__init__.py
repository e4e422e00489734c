"""Data sets as tasks; each file is one task."""

from typing import Any, get_args

from cowest.errors import InputError
from cowest.plugins import load, refuse_unknown
from cowest.tasks._choice_columns import answer_index, options_in
from cowest.tasks._files import read_rows
from cowest.tasks._labelled import LabelTask
from cowest.tasks._labels import LabelVocabulary
from cowest.tasks._rows import Row
from cowest.tasks._validation import Problem, Validation
from cowest.tasks.base import Overlap, Split, Task

__all__ = [
    "LabelTask",
    "LabelVocabulary",
    "Problem",
    "Row",
    "Split",
    "Task",
    "Validation",
    "answer_index",
    "load_task",
    "options_in",
    "read_rows",
]


def load_task(name: str, *, overlap: Overlap = "refuse", **options: Any) -> Task:
    """The task `name` (a file of this folder, or `package.module:Class`) over the given files.

    Args:
        overlap: what to do with a question that occurs in two splits; see `Task.overlap`.
        options: `train`, `validation`, `test` and whatever else the task takes.

    Examples:
        >>> import cowest
        >>> task = cowest.task("cowest.lab.task:Formulary")
        >>> task.test
        <test split of formulary, 1,000 examples>
        >>> task.test[0].query
        'Quick question: a 24 kg girl gets zubogum; what class of drug is that?'

    Raises:
        InputError: there is no such task, or it does not take an option.
    """
    if overlap not in get_args(Overlap):
        raise InputError(f"task.overlap is {overlap!r}. Allowed: {', '.join(get_args(Overlap))}.")
    task_class = load(name, "cowest.tasks", "task")
    try:
        refuse_unknown("task", task_class, options, also=["overlap"])
        task: Task = task_class(**options)
    except TypeError as error:
        raise InputError(f"The task {name!r} cannot be made from the options {sorted(options)}: {error}.") from error
    task.overlap = overlap
    return task
