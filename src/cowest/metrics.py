"""Per-example metrics, each in [0, 1]: SQuAD's exact match and token F1, plainer variants, and equality of labels."""

import functools
import re
import string
from collections import Counter
from collections.abc import Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@functools.lru_cache(maxsize=256)  # one prediction is compared with every option
def label_form(text: str) -> str:
    """A label without what does not count: case, outer spaces and quotes, and a full stop at the end."""
    label = " ".join(text.casefold().split()).strip("\"'“”‘’`*")
    return label[:-1].rstrip() if len(label) > 1 and label.endswith(".") else label


@functools.lru_cache(maxsize=256)  # likewise
def normalise(text: str) -> str:
    """SQuAD's normal form: lower case, no punctuation, no articles, single spaces.

    Where nothing would be left (the answer is "A" or "+"), only case and spaces are normalised. Otherwise all such
    answers would equal each other.
    """
    lowered = text.lower()
    kept = " ".join(_ARTICLES.sub(" ", lowered.translate(_PUNCTUATION)).split())
    return kept or " ".join(lowered.split())


def exact_match(prediction: str | None, references: Sequence[str]) -> float:
    """1.0 where the normalised prediction equals a normalised reference, else 0.0; None (no answer) scores 0."""
    if prediction is None:
        return 0.0
    normalised = normalise(prediction)
    return float(any(normalised == normalise(reference) for reference in references))


def token_f1(prediction: str | None, references: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over normalised tokens; the best over the references.

    Repeated tokens count as often as they occur in both texts. None (no answer) scores 0.
    """
    if prediction is None:
        return 0.0
    tokens = normalise(prediction).split()
    return max((_f1(tokens, normalise(reference).split()) for reference in references), default=0.0)


def exact_match_lower(prediction: str | None, references: Sequence[str]) -> float:
    """1.0 where the prediction equals a reference but for case and outer spaces, else 0.0; None scores 0.

    Unlike `exact_match` it keeps articles and punctuation: "The Hague." is not "the hague".
    """
    if prediction is None:
        return 0.0
    lowered = prediction.strip().lower()
    return float(any(lowered == reference.strip().lower() for reference in references))


def token_f1_cased(prediction: str | None, references: Sequence[str]) -> float:
    """Like `token_f1`, but over words split at spaces, with case, articles and punctuation."""
    if prediction is None:
        return 0.0
    tokens = prediction.split()
    return max((_f1(tokens, reference.split()) for reference in references), default=0.0)


def accuracy(prediction: str | None, references: Sequence[str]) -> float:
    """1.0 where the prediction is one of the labels in `references`, else 0.0; None (no answer) scores 0.

    Case, outer spaces and quotes, and a full stop at the end do not count. Unlike `exact_match` it keeps articles and
    punctuation inside, so that the labels "C" and "C++" stay apart.
    """
    if prediction is None:
        return 0.0
    label = label_form(prediction)
    return float(any(label == label_form(reference) for reference in references))


def _f1(prediction: list[str], reference: list[str]) -> float:
    num_shared = sum((Counter(prediction) & Counter(reference)).values())
    if num_shared == 0:
        return 0.0
    # 2 P R / (P + R) with P = shared / predicted and R = shared / referenced.
    return 2 * num_shared / (len(prediction) + len(reference))
