"""Data sets as tasks; each file is one task."""

from typing import Any

from cowest.errors import InputError
from cowest.plugins import load, refuse_unknown
from cowest.tasks.base import Split, Task, Validation

__all__ = ["Split", "Task", "Validation", "load_task"]


def load_task(name: str, **options: Any) -> Task:
    """The task `name` (a file of this folder, or `package.module:Class`) over the given files.

    Args:
        options: `train`, `validation`, `test` and whatever else the task takes.

    Raises:
        InputError: there is no such task, or it does not take an option.
    """
    task_class = load(name, "cowest.tasks", "task")
    try:
        refuse_unknown("task", task_class, options)
        task: Task = task_class(**options)
    except TypeError as error:
        raise InputError(f"The task {name!r} cannot be made from the options {sorted(options)}: {error}.") from error
    return task
