"""Fixed labels: which one a text means."""

import re
from collections.abc import Mapping, Sequence


def find(text: str, labels: Sequence[str] | Mapping[str, Sequence[str]]) -> str | None:
    """The label that `text` names, by itself or another of its spellings; None where it names none or several."""
    spellings = {label: (label, *(labels[label] if isinstance(labels, Mapping) else ())) for label in labels}
    words = f" {_words(text)} "
    exact = {label for label, names in spellings.items() if any(words.strip() == _words(name) for name in names)}
    return exact.pop() if len(exact) == 1 else None


def _words(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())
