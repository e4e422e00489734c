"""Multiple choice: options as lettered lines, and which option a text means."""

import re
import string
import unicodedata
from collections.abc import Sequence

from cowest import metrics

LETTERS = string.ascii_uppercase

_NOUN = r"(?:(?:option|choice|letter|answer)\s*:?\s*|选项\s*|選項\s*)?"
# "B", "(B)", "B.", "b) Paris", "option B: Paris". A bare letter before other words is an article or a name.
_LETTERED = re.compile(
    rf"{_NOUN}(?:\((?P<round>[a-z])\)|[\[【](?P<square>[a-z])[\]】]|"
    r"(?P<bare>[a-z])(?:$|\s*[.):,、。]|\s(?=[-–—]\s)|(?=\s+(?:\(|because\b|since\b|is\b)|\n)))"
    r"\s*[:.,\-–—]?\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_TEXT_THEN_LETTER = re.compile(
    rf"(?P<text>.+?)\s*(?:\(\s*{_NOUN}(?P<round>[a-z])\s*\)|,\s*(?:option|choice)\s*\(?(?P<named>[a-z])\)?)",
    re.IGNORECASE | re.DOTALL,
)
# "It is B.", "I choose B", "B is the correct answer.": what surrounds an answer in a sentence.
_FRAME_BEFORE = re.compile(
    r"^(?:it is|it's|that is|it must be|i (?:would |will )?(?:choose|pick|select|say)|my (?:choice|answer) is|"
    r"the (?:correct |right |best )?(?:answer|option|choice) is)\s*:?\s+",
    re.IGNORECASE,
)
_FRAME_BEHIND = re.compile(
    r"\s+(?:is|would be) (?:the )?(?:most )?(?:correct|right|best|true|likely)?(?:\s*(?:answer|option|choice|one))?$",
    re.IGNORECASE,
)
# A reason after the letter. It may name other options, to say why they are wrong.
_REMARK = re.compile(
    r"\(?(?:because|since|as|due to|given|which|this|these|it|the other|all other|others?|"
    r"is (?:the )?(?:correct|right|best|answer|true|only))\b",
    re.IGNORECASE,
)
_ANOTHER_LETTER = re.compile(r"[(\[][A-Za-z][)\]]|\b[A-Z]\)|\b(?:and|or|und|&|/)\s*\(?[A-Z]\b|\boptions? \(?[A-Za-z]\b")


def render(options: Sequence[str]) -> str:
    """The options as lines "(A) ...", "(B) ..."."""
    return "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))


def find(text: str, options: Sequence[str]) -> int | None:
    """The index of the option that `text` means: by its text, its letter, or both.

    Nothing is guessed: None where it means no option or could mean two, and where letter and text disagree. Of options
    with the same text the first is returned.
    """
    by_text = with_text(text, options)
    plain = _plain(text)
    if by_text is None:
        by_text = with_text(plain, options)
    match = _LETTERED.fullmatch(plain)
    index = LETTERS.find((match["round"] or match["square"] or match["bare"]).upper()) if match else -1
    if match is None or index >= len(options):
        return by_text if by_text is not None else _text_then_letter(plain, options)
    rest = match["rest"].strip()
    if rest:
        return by_text if by_text is not None else _lettered(index, rest, options)
    # "(A)" is how the query writes the letter, even where the text of an option is "A".
    in_parentheses = match["bare"] is None
    return index if in_parentheses or by_text is None or same(options[by_text], options[index]) else None


def letter(index: int, options: Sequence[str]) -> str:
    """The letter of an option, in parentheses where a bare letter could be read as another option's text."""
    bare = LETTERS[index]
    return bare if find(bare, options) == index else f"({bare})"


def with_text(text: str, options: Sequence[str]) -> int | None:
    """The index of the first option with this text; None where there is none, or where different options fit."""
    for fits in (same, _nearly_same):
        indices = [index for index, option in enumerate(options) if fits(text, option)]
        if indices and all(same(options[index], options[indices[0]]) for index in indices):
            return indices[0]
    return None


def same(a: str, b: str) -> bool:
    """Equal but for case, spaces and a full stop at the end."""
    return metrics.accuracy(a, [b]) == 1.0


def _nearly_same(a: str, b: str) -> bool:
    return metrics.exact_match(a, [b]) == 1.0


def _plain(text: str) -> str:
    """`text` without markdown and without the sentence around it."""
    plain = unicodedata.normalize("NFKC", text).replace("**", "").replace("__", "").strip().strip("`*\"'“”").strip()
    plain = _FRAME_BEFORE.sub("", plain)
    ends = plain[:-1] if plain.endswith(".") else plain
    return _FRAME_BEHIND.sub("", ends) if _FRAME_BEHIND.search(ends) else plain


def _text_then_letter(text: str, options: Sequence[str]) -> int | None:
    """For "Paris (B)": the option, where text and letter agree."""
    match = _TEXT_THEN_LETTER.fullmatch(text.rstrip(". "))
    if match is None:
        return None
    named = with_text(match["text"], options)
    index = LETTERS.find((match["round"] or match["named"]).upper())
    return named if named is not None and index < len(options) and same(options[named], options[index]) else None


def _lettered(index: int, rest: str, options: Sequence[str]) -> int | None:
    """For a letter that is followed by its option's text, a part of it, or a remark."""
    named = with_text(rest.strip("()"), options)
    if named is not None:
        return index if same(options[named], options[index]) else None
    if _REMARK.match(rest):
        return index
    if _ANOTHER_LETTER.search(rest):
        return None
    # "C. difficile" is a name, and "C. Streptococcus" is option C where that one is the nearest to the words.
    overlaps = [metrics.token_f1(rest, [option]) for option in options]
    return index if overlaps[index] > 0 and overlaps[index] == max(overlaps) else None
