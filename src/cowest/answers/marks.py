"""Where a text states its final answer: labels, sentences, boxes of LaTeX, tags and cells of tables."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cowest.answers import mark_words
from cowest.answers.cleaning import HTML, bare
from cowest.answers.statements import sentences

_BEFORE = (
    r"the|my|our|your|final|correct|right|best|short|direct|most|likely|"
    r"l[ae]|die|meine|a|o|il|el|het|richtige|endg[üu]ltige|finale|bonne|окончательный|итоговый|правильный"
)
_ANSWER = (
    r"answers?|ans|correct (?:option|choice|label)|result|verdict|(?<=final )(?:decision|choice|label)|"
    r"r[ée]ponse|antwort|respuesta|resposta|risposta|antwoord|svar|vastaus|"
    r"odpowied[źz]|odpov[ěe][ďd]|răspuns|cevap|yan[ıi]t|jawaban|đáp án|trả lời|ответ|відповідь|απάντηση|תשובה|"
    r"الإجابة|الجواب|الاجابة|پاسخ|उत्तर|উত্তর|คำตอบ"
)
# Written without spaces between the words.
_ANSWER_CJK = r"(?:最终|最終|最終的な|正确|正確|正しい|最后的|最后|최종 ?)?(?:答案|回答|答え|答|정답|답변|답)"
_AFTER = r"finale?|correcte?|correct[ao]|giusta|choice|option|letter"
# What may surround a mark. Repetitions are bounded: a page of asterisks must not take longer than another page.
OPENING = rf"(?:[^\S\n]|[>#*_`~\-•·|\"'“”«「【\[(]|\d{{1,2}}[.)](?=\s)|{HTML}){{0,16}}"
CLOSING = rf"(?:[^\S\n]|[*_`~\"'”»」】\])]|{HTML}){{0,16}}"
_NAME = rf"(?:(?:(?:{_BEFORE})[^\S\n]+){{0,3}}(?:{_ANSWER})(?:[^\S\n]+(?:{_AFTER})(?!\w))?|{_ANSWER_CJK})(?!\w)"
_IS = (
    # A question in quotes holds an "is" of its own.
    r"(?:[^\S\n]+(?:to|for)[^\S\n]+(?:[^.:\n\"“]{0,60}[\"“][^\"“”\n]{1,300}[\"”]|[^.:\n\"“]{1,60}?))?[^\S\n]+"
    r"(?:is|are|was|(?:would|should|must) (?:be|have been)|est|ist|lautet|es|è|é|är)\b"
    r"(?:[^\S\n]+(?:therefore|thus|hence|simply|indeed)\b)?,?"
    r"(?![^\S\n]+(?:not|found|based|given|derived|obtained|provided|clear|unclear|obvious|simple|in the)\b)"
)
_LABELS = [
    re.compile(pattern, re.IGNORECASE | re.MULTILINE | re.DOTALL)
    for pattern in (
        rf"^{OPENING}(?:{_NAME}{CLOSING}(?:[:：=|]|[-=]>|→|[-–—]{{1,2}}(?=[^\S\n]))|ans\.(?=\s)|{_NAME}(?=[^\S\n]+[(\[][a-z][)\]]\s*$))"
        r"(?P<answer>[^\n]*)$",
        rf"^{OPENING}{_NAME}{CLOSING}$(?P<answer>)",
        # Within a line: after a stop, in bold, or with a capital letter, as in "... make four. Answer: 4".
        rf"(?:(?<=[.!?;,。！？；，)|])\s{{0,4}}(?:\*\*|__|[\"“`])?|(?<=\s)(?:\*\*|__))"
        rf"{_NAME}{CLOSING}[:：](?P<answer>[^\n]*)",
        r"(?<=\s)(?-i:(?:Final )?(?:Answer|ANSWER)):(?P<answer>(?:(?!\sAnswer:)[^\n])*)",
    )
]
_MOST_SIGNS = 8
_TAG = re.compile(r"<(?P<tag>(?:final_)?answer)>(?P<answer>[^<]*)</(?P=tag)>", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(
    rf"(?:(?<!\w){_NAME}{_IS}|{_ANSWER_CJK}(?:应该是|应为|是|为|為|は|은|는)){CLOSING}[:：]?",
    re.IGNORECASE,
)
# "The answer is", "the", "as follows:": what comes next is missing. A longer text that ends in a colon is a quotation.
_STATES_NOTHING = re.compile(
    rf"(?:\S+\s+){{0,11}}\S*[^\W\d_][\"'”]?\s?:|{_NAME}\s(?:to|for)\s[^\"“]*[\"“][^\"”]*|the|an|is",
    re.IGNORECASE,
)
_MARK_ALONE = re.compile(rf"{_NAME}[^\n]{{0,80}}?{_IS}[\s\"“:]*", re.IGNORECASE)
_MAX_LETTERS_OF_NOTHING = 600
_RESULT = re.compile(r"\b(?:result|verdict)\b", re.IGNORECASE)
_NO_STATEMENT = re.compile(
    r"\b(?:if|whether|unless|suppose|supposing|assuming|until|doubt|not|unsure|perhaps|maybe|could|might)\b|n't\b",
    re.IGNORECASE,
)
_WOULD = re.compile(r"\bwould\b", re.IGNORECASE)
_DOUBT = re.compile(r"\b(?:whether|doubt|not|unsure|perhaps|maybe|could|might)\b|n't\b", re.IGNORECASE)
# A reason or another sentence after the answer. A full stop alone may belong to "St. Louis".
_REMARK = re.compile(
    r"[.!](?=\s+(?:The|This|That|These|It|I|We|Since|Because|Therefore|However|Note|As|Options?|Other|All|Hence|Thus|"
    r"So|If|But|While|Although|My|Please)\b)|。(?=.)|,?\s+(?=(?:because|since|due to|given that)\s)|"
    r",\s+(?=(?:which|as(?! well\b))\s)|"
    r"(?:です|입니다)(?=[.。]?\s*$)"
)
_REACH_OF_A_CONDITION = 300
_MAX_WORDS_OF_A_LATER_SENTENCE = 4
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
# What a prompt shows in place of an answer: "<the result alone>", "[your answer]".
PLACEHOLDER = re.compile(
    r"[<\[{(](?=.*\b(?:your|answer|result|letter|here|insert)\b)[^<>\[\]{}]*[>\])}]", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Mark:
    """A mark with the rest of its line, by positions in the text, and the answer as written there."""

    start: int
    end: int
    written: str


_NUMBER = re.compile(r"\s{0,8}\d{1,2}[.)]\s{1,4}(?:the\s)?", re.IGNORECASE)
_ELLIPSIS = re.compile(r"(?:\.{3}|…)[\s\"'”.]*")
_REPEATED_LABEL = re.compile(r"^(?:final )?answer\s*:", re.IGNORECASE)


def marks(text: str) -> list[Mark]:
    """All marks of a text; sentences count beside other marks only where they are short."""
    columns = list(_table_columns(text))
    headers = {column.start for column in columns}
    begin = mark_words.begin(text)
    # A label may have signs before its words: on the same line, or as the end of the sentence before.
    first = None if begin is None else max(0, min(text.rfind("\n", 0, begin) + 1, begin - _MOST_SIGNS))
    labels = [
        Mark(match.start(), match.end(), match["answer"])
        for pattern in (*(_LABELS if first is not None else ()), _TAG)
        for match in pattern.finditer(text, 0 if pattern is _TAG else first or 0)
        if not is_echo(match["answer"]) and text.rfind("\n", 0, match.start() + 1) + 1 not in headers
    ]
    labels += [*columns, *boxes(text)]
    sentences = [] if begin is None else _without_alternatives(text, list(_sentences(text, begin)))
    if not labels:
        return sentences
    # "The answer is derived by adding both" follows many an "Answer: 4".
    return labels + [mark for mark in sentences if len(mark.written.split()) <= _MAX_WORDS_OF_A_LATER_SENTENCE]


def _without_alternatives(text: str, sentences: list[Mark]) -> list[Mark]:
    """Leaves out "1. The answer is yes." and "2. The answer is no.", which are a list of what it could be."""
    items = [mark for mark in sentences if _NUMBER.fullmatch(text, text.rfind("\n", 0, mark.start) + 1, mark.start)]
    if len({bare(mark.written).casefold() for mark in items}) < 2:
        return sentences
    positions = {mark.start for mark in items}
    return [mark for mark in sentences if mark.start not in positions]


def states_nothing(written: str) -> bool:
    """Whether what follows a mark breaks off before an answer: it is another mark, or ends in a colon."""
    if len(written) > _MAX_LETTERS_OF_NOTHING:
        return False
    rest = bare(written)
    if _STATES_NOTHING.fullmatch(rest):
        return True
    # One mark after the other: a pattern that repeats would try every way to divide a text among its turns.
    while alone := _MARK_ALONE.match(rest):
        rest = rest[alone.end() :]
        if not rest:
            return True
    return False


def is_echo(written: str) -> bool:
    """Whether this is the prompt's placeholder for an answer, not an answer."""
    plain = _REPEATED_LABEL.sub("", written.strip(" \t\r*_`\"'“”")).strip(" *_`\"'“”")
    return bool(_ELLIPSIS.fullmatch(plain)) or bool(PLACEHOLDER.fullmatch(plain.rstrip(".")))


def _sentences(text: str, begin: int) -> Iterator[Mark]:
    found = list(_SENTENCE.finditer(text, begin))
    end_of_text = len(text.rstrip())
    for match, later in itertools.zip_longest(found, found[1:]):
        # A line may hold several such sentences.
        line_end = text.find("\n", match.end(), later.start() if later else len(text))
        end = line_end if line_end >= 0 else later.start() if later else len(text)
        earliest = max(0, match.start() - _REACH_OF_A_CONDITION)
        since = max(earliest - 1, *(text.rfind(stop, earliest, match.start()) for stop in ".!?\n。")) + 1
        written = text[match.end() : end]
        remark = _REMARK.search(written)
        written = written[: remark.start()] if remark else written
        written = sentences(written)[0] if written.strip() else written
        if _RESULT.search(match.group()) and len(written.split()) > _MAX_WORDS_OF_A_LATER_SENTENCE:
            continue  # "The result is a smaller loss of heat."
        # "If it had been built of oak, the answer would be oak" answers a question with that very premise.
        condition = _DOUBT if _WOULD.search(match.group()) else _NO_STATEMENT
        breaks_off = match.end() >= end_of_text
        if breaks_off or bare(written).endswith("?") or condition.search(text, since, match.start()):
            continue
        yield Mark(match.start(), match.end() + len(written), written)


def boxes(text: str) -> Iterator[Mark]:
    """The boxes of LaTeX, with what is inside their braces."""
    for match in _BOX.finditer(text):
        inside = _in_braces(text, match.end())
        if inside is not None:
            yield Mark(match.start(), match.end() + len(inside) + 1, inside)


def _in_braces(text: str, begin: int) -> str | None:
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, begin, begin + 2000):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return text[begin : brace.start()]
    return None


def _table_columns(text: str) -> Iterator[Mark]:
    """The cell below a table's heading "Answer"."""
    for match in re.finditer(r"^\|[^\n]*\|[^\S\n]*\n\|[\s:|-]*\|[^\S\n]*\n(?P<row>\|[^\n]*\|)", text, re.MULTILINE):
        head = [bare(cell).casefold() for cell in match.group().split("\n")[0].strip().strip("|").split("|")]
        cells = match["row"].strip().strip("|").split("|")
        for name, cell in zip(head, cells, strict=False):
            if name in ("answer", "final answer"):
                yield Mark(match.start(), match.end(), cell)
