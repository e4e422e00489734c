"""Who says which draft is better; each file is one kind of feedback."""

from cowest.annotators.base import Annotator
from cowest.collaboration import Collaboration
from cowest.judge import Judge
from cowest.plugins import load

__all__ = ["Annotator", "load_annotator"]


def load_annotator(
    kind: str, collaboration: Collaboration, judge: Judge, *, samples: int, skip_settled: bool
) -> Annotator:
    """The annotator `kind`: a file of this folder or `package.module:Class`.

    Raises:
        InputError: there is no such kind.
    """
    annotator: Annotator = load(kind, "cowest.annotators", "kind of feedback")(
        collaboration, judge, samples=samples, skip_settled=skip_settled
    )
    return annotator
