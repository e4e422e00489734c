"""Who says which draft is better; each file is one kind of feedback."""

import inspect
from typing import Any

from cowest.annotators.base import Annotator, BaseAnnotator, RewardModel, as_base_annotator
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.judge import Judge
from cowest.models import ChatModel
from cowest.plugins import load
from cowest.types import Sampling

RLAIF = "rlaif"
"""The kind of feedback that may have a labeller of its own."""

SOLO = "solo"
"""The kind of feedback without drafts, for alignment that drafts itself."""

COMPARING = (RLAIF, "rlwf")
"""The kinds of feedback that compare drafts with each other, so that these have no gains."""

__all__ = [
    "COMPARING",
    "RLAIF",
    "SOLO",
    "Annotator",
    "BaseAnnotator",
    "RewardModel",
    "find_annotator",
    "load_annotator",
    "takes_until_pair",
]


def takes_until_pair(kind: str) -> bool:
    """Whether a kind of feedback can end a query's drafts with its first pair.

    Raises:
        InputError: there is no such kind.
    """
    parameters = inspect.signature(find_annotator(kind)).parameters.values()
    return any(each.name == "until_pair" or each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)


def find_annotator(kind: str, *, until_pair: bool = False) -> Any:
    """The class of the annotator `kind`: a file of this folder or `package.module:Class`.

    Raises:
        InputError: there is no such kind, or it cannot end a query's drafts with its first pair and is to.
    """
    if until_pair and not takes_until_pair(kind):
        raise InputError(
            f"feedback.drafts until_pair ends a query's drafts with its first pair, and feedback.kind {kind} does not "
            "make its drafts one after the other. Leave feedback.drafts out, or use collaborative, individual or rlaif."
        )
    return load(kind, "cowest.annotators", "kind of feedback")


def load_annotator(
    kind: str,
    collaboration: Collaboration,
    judge: Judge,
    *,
    samples: int,
    skip_settled: bool,
    until_pair: bool = False,
    reward: RewardModel | None = None,
    labeller: ChatModel | None = None,
    labeller_sampling: Sampling | None = None,
) -> BaseAnnotator:
    """The annotator `kind`: a file of this folder or `package.module:Class`.

    Args:
        until_pair: end a query's drafts with its first pair.
        reward: for kinds that rank drafts by one.
        labeller, labeller_sampling: who compares for "rlaif", and how; other kinds are not given them.

    Raises:
        InputError: there is no such kind, or it cannot be `until_pair`.
    """
    options: dict[str, object] = {} if reward is None else {"reward": reward}
    if kind == RLAIF and labeller is not None:
        options |= {"labeller": labeller, "labeller_sampling": labeller_sampling}
    if until_pair:
        options["until_pair"] = True
    annotator: Annotator = find_annotator(kind, until_pair=until_pair)(
        collaboration, judge, samples=samples, skip_settled=skip_settled, **options
    )
    return as_base_annotator(annotator)
