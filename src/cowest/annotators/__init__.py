"""Who says which draft is better; each file is one kind of feedback."""

from cowest.annotators.base import Annotator, RewardModel
from cowest.collaboration import Collaboration
from cowest.judge import Judge
from cowest.plugins import load

__all__ = ["Annotator", "RewardModel", "load_annotator"]


def load_annotator(
    kind: str,
    collaboration: Collaboration,
    judge: Judge,
    *,
    samples: int,
    skip_settled: bool,
    reward: RewardModel | None = None,
) -> Annotator:
    """The annotator `kind`: a file of this folder or `package.module:Class`.

    Args:
        reward: for kinds that rank drafts by one.

    Raises:
        InputError: there is no such kind.
    """
    options = {} if reward is None else {"reward": reward}
    annotator: Annotator = load(kind, "cowest.annotators", "kind of feedback")(
        collaboration, judge, samples=samples, skip_settled=skip_settled, **options
    )
    return annotator
