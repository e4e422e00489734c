"""The colour of a verdict: the class names that stylesheets and the plots have for it."""

from cowest.statistics import BETTER, NOT_SHOWN, WORSE, Verdict

_TONES: dict[Verdict, str] = {BETTER: "better", WORSE: "worse", NOT_SHOWN: "unclear"}


def tone(verdict: Verdict) -> str:
    """ "better", "worse", or "unclear" where no difference was shown."""
    return _TONES[verdict]
