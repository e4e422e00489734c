"""Who says which draft is better; each file is one kind of feedback."""

from cowest.annotators.base import Annotator, BaseAnnotator, RewardModel, as_base_annotator
from cowest.collaboration import Collaboration
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

__all__ = ["COMPARING", "RLAIF", "SOLO", "Annotator", "BaseAnnotator", "RewardModel", "load_annotator"]


def load_annotator(
    kind: str,
    collaboration: Collaboration,
    judge: Judge,
    *,
    samples: int,
    skip_settled: bool,
    reward: RewardModel | None = None,
    labeller: ChatModel | None = None,
    labeller_sampling: Sampling | None = None,
) -> BaseAnnotator:
    """The annotator `kind`: a file of this folder or `package.module:Class`.

    Args:
        reward: for kinds that rank drafts by one.
        labeller, labeller_sampling: who compares for "rlaif", and how; other kinds are not given them.

    Raises:
        InputError: there is no such kind.
    """
    options: dict[str, object] = {} if reward is None else {"reward": reward}
    if kind == RLAIF and labeller is not None:
        options |= {"labeller": labeller, "labeller_sampling": labeller_sampling}
    annotator: Annotator = load(kind, "cowest.annotators", "kind of feedback")(
        collaboration, judge, samples=samples, skip_settled=skip_settled, **options
    )
    return as_base_annotator(annotator)
