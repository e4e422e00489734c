"""Judges: how good an output is against the reference, from 1 to 10 (paper section 3.3.1, Figure 7)."""

from collections.abc import Callable

from cowest.errors import InputError
from cowest.judge.answer_match import AnswerMatchJudge
from cowest.judge.asking import ANEW
from cowest.judge.base import BaseJudge, Judge, as_base_judge
from cowest.judge.config import JUDGE_SAMPLING, STRONG, JudgeConfig, PanelConfig, ReferenceFreeConfig
from cowest.judge.model import ModelJudge
from cowest.judge.pairwise import PairwiseJudge
from cowest.judge.panel import PanelJudge
from cowest.plugins import load, nearest, refuse_unknown
from cowest.tasks.base import Task

__all__ = [
    "ANEW",
    "JUDGE_SAMPLING",
    "STRONG",
    "AnswerMatchJudge",
    "BaseJudge",
    "Judge",
    "JudgeConfig",
    "ModelJudge",
    "PairwiseJudge",
    "PanelConfig",
    "PanelJudge",
    "ReferenceFreeConfig",
    "as_base_judge",
    "find_judge",
    "load_judge",
]


def find_judge(name: str) -> Callable[..., Judge]:
    """The class of a judge without a model: "answer_match", or `package.module:Class`.

    Raises:
        InputError: there is no such judge.
    """
    if name == AnswerMatchJudge.name:
        return AnswerMatchJudge
    if ":" not in name:
        raise InputError(
            f"There is no judge named {name!r}.{nearest(name, [AnswerMatchJudge.name])} "
            f"Choices: {AnswerMatchJudge.name}; or package.module:Class for your own."
        )
    judge_class: Callable[..., Judge] = load(name, "cowest.judge", "judge")
    return judge_class


def load_judge(name: str, task: Task, **options: object) -> BaseJudge:
    """A judge without a model by name, which is given `task` and the options.

    Raises:
        InputError: there is no such judge, or not with these options.
    """
    judge_class = find_judge(name)
    try:
        refuse_unknown("judge", judge_class, options, given=["task"])
        judge = judge_class(task=task, **options)
    except TypeError as error:
        raise InputError(f"The judge {name!r} cannot be made from the options {sorted(options)}: {error}.") from error
    return as_base_judge(judge)
