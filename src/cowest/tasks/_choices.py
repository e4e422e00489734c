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
# "B Paris": a letter only where its option's text follows; else it is an article or a name.
_SPACED = re.compile(r"(?P<letter>[A-Z])\s+(?P<rest>.+)", re.DOTALL)
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

# A letter that a sentence can only mean as an option: "(B)", "option B", "is B.", "B is correct".
_NAMED_LETTER = re.compile(
    r"[(\[]([A-Z])[)\]]|\b(?i:options?|choices?|letter|answer)(?:\s+is)?\s*:?\s*\(?([A-Z])\b(?!')|"
    r"\b(?:is|are|be|and|or)\s*:?\s+\*{0,2}([A-Z])(?=\s*[).:,*]|\s*$)|(?:^|(?<=[\s*]))([A-Z])(?=[).:]\s)|"
    r"\b([B-Z]) (?=is\b)"
)
_NO_STATEMENT = re.compile(
    r"^\W*(?i:if|whether|while|although|though|unless|suppose|to (?:determine|decide|answer|find))\b|"
    r"\b(?:not|isn't|neither|cannot be|excluding|except|than|could be|might be|may be)\s+"
    r"(?:the\s+|an?\s+|option\s+)?(?:\(|[A-Z]\b)|\b(?:incorrect|wrong|ruled out|eliminated?)\b"
)


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
    if by_text is None and plain != text:
        by_text = with_text(plain, options)
    match = _LETTERED.fullmatch(plain)
    index = LETTERS.find((match["round"] or match["square"] or match["bare"]).upper()) if match else -1
    if match is None and by_text is None:
        spaced = _SPACED.fullmatch(plain)
        named = with_text(spaced["rest"], options) if spaced else None
        if spaced and named is not None and LETTERS.find(spaced["letter"]) == named:
            return named
    if match is None or index >= len(options):
        return by_text if by_text is not None else _text_then_letter(plain, options)
    rest = match["rest"].strip()
    if rest:
        return by_text if by_text is not None else _lettered(index, rest, options)
    # "(A)" is how the query writes the letter, even where the text of an option is "A".
    in_parentheses = match["bare"] is None
    return index if in_parentheses or by_text is None or same(options[by_text], options[index]) else None


class ChoiceVocabulary:
    """The options of a question, for the reading of replies.

    Args:
        options: their texts, in order.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._options = options

    def means(self, written: str) -> str | None:
        """The letter of the option that a stated answer means."""
        return self._letter(find(written, self._options) if written else None)

    def says(self, sentence: str) -> str | None:
        """The letter of the option that a sentence gives as the answer: the only one it names, by letter or text."""
        index = find(sentence, self._options)
        return self._letter(index if index is not None else _in_sentence(_plain(sentence), self._options))

    def named(self, written: str) -> set[str]:
        """The letters of all options that a text names."""
        plain = _plain(written)
        return {
            self._letter(index) or ""
            for index in (*_letters_in(plain, self._options), *_texts_in(plain, self._options))
        }

    def _letter(self, index: int | None) -> str | None:
        return None if index is None else letter(index, self._options)


def _in_sentence(plain: str, options: Sequence[str]) -> int | None:
    """The option that a sentence names as the answer; None where it names several or denies the one."""
    if _NO_STATEMENT.search(plain):
        return None
    lettered, texts = _letters_in(plain, options), _texts_in(plain, options)
    if lettered:
        # "(B) Rome", where Rome is no option: letter and text disagree, unless the option's own text follows too.
        disagrees = _LETTERED.fullmatch(plain) and not texts
        return lettered.pop() if len(lettered) == 1 and texts <= lettered and not disagrees else None
    if len(texts) != 1:
        return None
    index = texts.pop()
    option = rf"(?:the\s+|an?\s+)?[\"'“*(]*{re.escape(' '.join(options[index].rstrip('. ').split()))}[\"'”*)]*"
    # "It is caused by X." and "X is the commonest cause.": the option is the end of the sentence, or its subject.
    ends = re.search(rf"(?P<before>\S{{1,40}}\s{{1,4}}\S{{1,40}})\s{{1,4}}{option}\W*$", plain, re.IGNORECASE)
    begins = re.match(rf"\W*{option}\s+(?:is|are|was|were) (?!not\b|an? in|incorrect|wrong)", plain, re.IGNORECASE)
    denies = ends and re.search(r"\b(?:not|never|no|than|except|without|or|and)\b|n't", ends["before"], re.IGNORECASE)
    return index if (ends and not denies) or begins else None


def _letters_in(plain: str, options: Sequence[str]) -> set[int]:
    letters = {next(filter(None, match.groups())).upper() for match in _NAMED_LETTER.finditer(plain)}
    return {index for index in map(LETTERS.find, letters) if 0 <= index < len(options)}


def _texts_in(plain: str, options: Sequence[str]) -> set[int]:
    """The options whose text occurs, but for those within another one that occurs; of equal ones the first."""
    said = f" {metrics.normalise(plain)} "
    normal = [metrics.normalise(option) for option in options]
    found = [index for index, option in enumerate(normal) if option and f" {option} " in said]
    return {
        index
        for index in found
        if not any(
            f" {normal[index]} " in f" {normal[other]} " and (normal[other] != normal[index] or other < index)
            for other in found
            if other != index
        )
    }


def letter(index: int, options: Sequence[str]) -> str:
    """The letter of an option, in parentheses where a bare letter could be read as another option's text."""
    bare = LETTERS[index]
    return bare if find(bare, options) == index else f"({bare})"


def with_text(text: str, options: Sequence[str]) -> int | None:
    """The index of the first option with this text; None where there is none, or where different options fit."""
    for form in (metrics.label_form, metrics.normalise):
        said = form(text)
        indices = [index for index, option in enumerate(options) if form(option) == said]
        if indices and all(same(options[index], options[indices[0]]) for index in indices):
            return indices[0]
    return None


def same(a: str, b: str) -> bool:
    """Equal but for case, spaces and a full stop at the end."""
    return metrics.label_form(a) == metrics.label_form(b)


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
