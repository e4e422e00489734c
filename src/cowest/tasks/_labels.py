"""Fixed sets of labels: which label a final answer means."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cowest import metrics

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_NEGATIONS = {"not", "no", "non", "un", "never", "neither", "nor", "without", "cannot", "if", "whether", "unsure"}
_NEGATION_REACHES = 6
# What may follow a label in a sentence and leave it the answer. "No evidence" and "safe to say" are no answers.
_MAY_FOLLOW = re.compile(
    r"(?:because|since|as|due to|given|for|from|when|here|overall|based on|according to|in (?:this|that|the|its|my)|"
    r"response|reply|answer|label|option|category|context)\b"
)

_NO_STATEMENT = re.compile(
    r"\W*(?:if|whether|while|although|though|when|unless|suppose|assuming|"
    r"to (?:determine|decide|assess|answer|find|see))\b"
)
# "The context is safe, but the reply is not."
_DENIED = re.compile(r"(?:\bnot|n't)\W*$")
_HEDGES = {"could", "may", "might", "perhaps", "possibly", "probably", "either", "or"}
_CONNECTIVES = {
    *("so", "therefore", "thus", "hence", "then", "overall", "in", "conclusion", "short", "summary", "well"),
    *("final", "result", "label", "verdict", "decision", "conclusion", "the", "is", "reply"),
}
_LINKS = {"is", "are", "be", "was", "as", "it", "say", "label", "labeled", "labelled", "considered"}


@dataclass(frozen=True)
class _Mention:
    """A label in a text: the words it spans, whether it is a statement, and whether it is negated."""

    label: str
    first: int
    last: int
    is_statement: bool
    is_negated: bool


def find(text: str, labels: Sequence[str] | Mapping[str, Sequence[str]]) -> str | None:
    """The label that `text` means.

    Case, markdown and punctuation do not count, and "needs_caution", "needs-caution" and "__needs caution__" are one
    label. A sentence counts ("It is safe.", "Yes, because no harm is done."). Words are never split: "unsafe" is not
    "safe". Nothing is guessed: None where no label is named, where several are ("yes or no"), where it is denied
    ("not safe"), doubted ("if it is safe") or asked for ("safe?").

    Args:
        labels: the labels; as a mapping each with other ways to say it, for example {"yes": ["true"], "no": []}.
    """
    forms = labels if isinstance(labels, Mapping) else dict.fromkeys(labels, ())
    text = _normal(text)
    # Labels made of symbols ("+", "C" and "C++") have no words that distinguish them.
    exact = {
        label for label, others in forms.items() if metrics.accuracy(text, [_normal(form) for form in (label, *others)])
    }
    if exact:
        return exact.pop() if len(exact) == 1 else None
    words = list(_WORD.finditer(text))
    mentions = list(_mentions(text, words, forms))
    named = {mention.label for mention in mentions}
    if len(named) > 1 and not _opens_with_answer(text, words, mentions):
        return None
    meant = mentions[:1] if len(named) > 1 else mentions
    if any(mention.is_negated for mention in meant) or not any(mention.is_statement for mention in meant):
        return None
    return meant[0].label


class LabelVocabulary:
    """A task's labels, for the reading of replies.

    Args:
        labels: as `find` takes them.
    """

    def __init__(self, labels: Sequence[str] | Mapping[str, Sequence[str]]) -> None:
        self._labels = labels
        self._forms = labels if isinstance(labels, Mapping) else dict.fromkeys(labels, ())

    def means(self, written: str) -> str | None:
        """The label that a stated answer means."""
        return find(written, self._labels)

    def says(self, sentence: str) -> str | None:
        """The label that a sentence gives as the answer: by its first or last words, or with "is" before the label."""
        text = _normal(sentence)
        label = find(text, self._labels)
        if label is None or _NO_STATEMENT.match(text) or _DENIED.search(text):
            return None
        words = list(_WORD.finditer(text))
        mentions = [mention for mention in _mentions(text, words, self._forms) if mention.label == label]
        return label if not mentions or any(_is_answer(mention, words) for mention in mentions) else None

    def named(self, written: str) -> set[str]:
        """All labels that a text names."""
        text = _normal(written)
        return {mention.label for mention in _mentions(text, list(_WORD.finditer(text)), self._forms)}


def _is_answer(mention: _Mention, words: list[re.Match[str]]) -> bool:
    before = [word.group() for word in words[max(0, mention.first - 3) : mention.first]]
    if not mention.is_statement or mention.is_negated or _HEDGES & set(before):
        return False
    stands_first = {word.group() for word in words[: mention.first]} <= _CONNECTIVES
    while before and before[-1] in ("a", "an"):  # "it is an unsafe reply", but not "a safe reply would"
        before.pop()
    stands_last = mention.last == len(words) - 1
    return stands_first or stands_last or mention.last > mention.first or bool(before and before[-1] in _LINKS)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'").strip()


def _mentions(text: str, words: list[re.Match[str]], forms: Mapping[str, Sequence[str]]) -> Iterator[_Mention]:
    spoken = [word.group() for word in words]
    by_words = _word_forms(forms)
    lengths = sorted({len(form) for form in by_words}, reverse=True)
    position = 0
    while position < len(spoken):
        for length in lengths:
            form = tuple(spoken[position : position + length])
            if form in by_words:
                last = position + len(form) - 1
                # "A bit too casual", "not only casual but ...": said on the way to the label.
                is_in_passing = spoken[max(0, position - 1) : position] in (["too"], ["only"])
                if (label := by_words[form]) is not None and not is_in_passing:
                    yield _mention(text, words, label, position, last)
                position = last
                break
        position += 1


def _word_forms(forms: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], str | None]:
    """The label of each form as words; None where two labels have the same words."""
    found: dict[tuple[str, ...], str | None] = {}
    for label, others in forms.items():
        for form in (label, *others):
            key = tuple(_WORD.findall(_normal(form)))
            if key:
                found[key] = label if found.get(key, label) == label else None
    return found


def _mention(text: str, words: list[re.Match[str]], label: str, first: int, last: int) -> _Mention:
    rest = text[words[last].end() :]
    behind = rest.lstrip(" *_`\"'\u201d)]")
    ends = not behind or bool(re.match(r"[.,;:!(\n\u3002\uff0c\u2014\u2013]|-\s", behind)) or rest.startswith("\n")
    before = words[max(0, first - _NEGATION_REACHES) : first]
    # A negation reaches to the end of its clause: "No, it is safe."
    near = [word.group() for word in before if not re.search(r"[.,;:!?\n]", text[word.end() : words[first].start()])]
    if "but" in near:  # "not only rude but also needs caution"
        near = near[len(near) - near[::-1].index("but") :]
    return _Mention(
        label=label,
        first=first,
        last=last,
        is_statement=ends or bool(_MAY_FOLLOW.match(behind)),
        is_negated=any(word in _NEGATIONS or word.endswith("n't") for word in near),
    )


def _opens_with_answer(text: str, words: list[re.Match[str]], mentions: list[_Mention]) -> bool:
    """Whether the first words are the answer and the other labels belong to a remark: "Yes, as no harm is done."."""
    head = mentions[0]
    if head.first != 0 or not head.is_statement:
        return False
    other = next(mention for mention in mentions if mention.label != head.label)
    named = {position for mention in mentions for position in range(mention.first, mention.last + 1)}
    between = [words[position].group() for position in range(head.last + 1, other.first) if position not in named]
    if "or" in between[:1]:
        return False
    return bool(set(between) - {"and", "but", "maybe", "perhaps"}) or not other.is_statement
