"""Finding the explanation and the final answer in what a model wrote.

A final answer is what stands behind a mark: "Answer:" in one of many languages, a heading, a cell of a table, the
sentence "the answer is", a box of LaTeX, a tag, a field of JSON. A text without a mark has none; nothing is guessed.
"""

import ast
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from cowest.types import Answer

_BEFORE = (
    r"the|my|our|your|final|correct|right|best|short|direct|most|likely|"
    r"l[ae]|die|meine|a|o|il|el|het|richtige|endg[üu]ltige|finale|bonne|окончательный|итоговый|правильный"
)
_ANSWER = (
    r"answers?|ans|correct (?:option|choice)|r[ée]ponse|antwort|respuesta|resposta|risposta|antwoord|svar|vastaus|"
    r"odpowied[źz]|odpov[ěe][ďd]|răspuns|cevap|yan[ıi]t|jawaban|đáp án|trả lời|ответ|відповідь|απάντηση|תשובה|"
    r"الإجابة|الجواب|الاجابة|پاسخ|उत्तर|উত্তর|คำตอบ"
)
# Written without spaces between the words.
_ANSWER_CJK = r"(?:最终|最終|最終的な|正确|正確|正しい|最后的|最后|최종 ?)?(?:答案|回答|答え|答|정답|답변|답)"
_AFTER = r"finale?|correcte?|correct[ao]|giusta|choice|option|letter"
_EXPLANATION = (
    r"explanation|reasoning|rationale|justification|explication|raisonnement|erkl[äa]rung|begr[üu]ndung|"
    r"explicaci[óo]n|explicação|spiegazione|uitleg|f[öo]rklaring|wyja[śs]nienie|açıklama|penjelasan|giải thích|"
    r"объяснение|пояснення|التفسير|الشرح|व्याख्या|解释|解釋|解析|理由|説明|설명|해설"
)
# What may stand around a mark. Runs are bounded: a page of asterisks must not cost more than another page.
_HTML = r"</?(?:b|i|u|em|strong|p|h\d)>"
_OPENING = rf"(?:[^\S\n]|[>#*_`~\-•·|\"'“”«「【\[(]|\d{{1,2}}[.)](?=\s)|{_HTML}){{0,16}}"
_CLOSING = rf"(?:[^\S\n]|[*_`~\"'”»」】\])]|{_HTML}){{0,16}}"
_NAME = rf"(?:(?:(?:{_BEFORE})[^\S\n]+){{0,3}}(?:{_ANSWER})(?:[^\S\n]+(?:{_AFTER})(?!\w))?|{_ANSWER_CJK})(?!\w)"
_IS = (
    r"(?:[^\S\n]+(?:to|for)[^\S\n]+[^.:\n]{1,60}?)?[^\S\n]+"
    r"(?:is|are|(?:would|should|must) be|est|ist|lautet|es|è|é|är)\b"
    r"(?:[^\S\n]+(?:therefore|thus|hence|simply|indeed)\b)?,?"
    r"(?![^\S\n]+(?:not|found|based|given|derived|obtained|provided|clear|unclear|obvious|simple|in the)\b)"
)
_LABELS = [
    re.compile(pattern, re.IGNORECASE | re.MULTILINE | re.DOTALL)
    for pattern in (
        rf"^{_OPENING}(?:{_NAME}{_CLOSING}(?:[:：=|]|[-=]>|→|[-–—]{{1,2}}(?=[^\S\n]))|ans\.(?=\s)|{_NAME}(?=[^\S\n]+[(\[][a-z][)\]]\s*$))"
        r"(?P<answer>[^\n]*)$",
        rf"^{_OPENING}{_NAME}{_CLOSING}$(?P<answer>)",
        # Within a line: after a stop, in bold, or with a capital letter, as in "... make four. Answer: 4".
        rf"(?:(?<=[.!?;,。！？；，)|])\s{{0,4}}(?:\*\*|__|[\"“`])?|(?<=\s)(?:\*\*|__))"
        rf"{_NAME}{_CLOSING}[:：](?P<answer>[^\n]*)",
        r"(?<=\s)(?-i:(?:Final )?(?:Answer|ANSWER)):(?P<answer>(?:(?!\sAnswer:)[^\n])*)",
        r"<(?P<tag>(?:final_)?answer)>(?P<answer>[^<]*)</(?P=tag)>",
    )
]
_SENTENCE = re.compile(
    rf"(?:(?<!\w){_NAME}{_IS}|{_ANSWER_CJK}(?:应该是|应为|是|为|為|は|은|는)){_CLOSING}[:：]?(?P<answer>[^\n]*)",
    re.IGNORECASE,
)
_NO_STATEMENT = re.compile(
    r"\b(?:if|whether|unless|suppose|supposing|assuming|until|doubt|not|unsure|perhaps|maybe|could|might)\b|n't\b",
    re.IGNORECASE,
)
# A reason or another sentence behind the answer. A full stop alone may belong to "St. Louis".
_REMARK = re.compile(
    r"[.!](?=\s+(?:The|This|That|These|It|I|We|Since|Because|Therefore|However|Note|As|Options?|Other|All|Hence|Thus|"
    r"So|If|But|While|Although|My|Please)\b)|。(?=.)|,?\s+(?=(?:because|since|due to|given that)\s)|,\s+(?=which\s)|"
    r"(?:です|입니다)(?=[.。]?\s*$)"
)
_MAX_WORDS_OF_A_LATER_SENTENCE = 4
_EXPLANATION_LABEL = re.compile(
    rf"^{_OPENING}(?:{_EXPLANATION}){_CLOSING}(?:[:：|]{_CLOSING}|$)",
    re.IGNORECASE | re.MULTILINE,
)
_EXPLANATION_IN_LINE = re.compile(
    rf"(?:^\W{{0,8}}|(?<=[.!?;,。！？；，])\W{{0,8}})(?:{_EXPLANATION}){_CLOSING}[:：]",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_VALUE = r"""(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[[^\[\]]*\]|[^\s,{}\[\]"']+)\s*(?=[,}])"""
_FIELD_NAME = r"[\"'](?:final[_ ]?)?answer[\"']\s*:\s*"
_FIELD = re.compile(_FIELD_NAME + _VALUE, re.IGNORECASE)
_CUT_FIELD = re.compile(r"\{[^{}]*" + _FIELD_NAME, re.IGNORECASE)
_EXPLANATION_FIELD = re.compile(rf"[\"'](?:{_EXPLANATION})[\"']\s*:\s*{_VALUE}", re.IGNORECASE)

_THOUGHT_TAG = re.compile(r"<(?P<closes>/?)(?:think|thinking|thought|reasoning)>|\[(?P<ends>/?)THINK\]")
_SPECIAL_TOKEN = re.compile(r"<\|[^|<>\n]{1,40}\|>|</s>")
_RULE_OR_FENCE = re.compile(r"\s*(?:(?:```|~~~)\w*|[-=*_|:\s]*)\s*")
# What a prompt shows in place of an answer: "<the result alone>", "[your answer]".
_PLACEHOLDER = re.compile(
    r"[<\[{(](?=.*\b(?:your|answer|result|letter|here|insert)\b)[^<>\[\]{}]*[>\])}]", re.IGNORECASE | re.DOTALL
)
_QUOTES = {
    '"': '"',
    "“": "”",
    "„": "“",
    "«": "»",
    "「": "」",
    "『": "』",
    "'": "'",
    "‘": "’",
    "`": "`",
    "$": "$",
    "<": ">",
}
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}|\\[(\[]\s*(.*?)\s*\\[)\]]")
_BOLD = re.compile(r"(?<!\w)\*\*(?=\S)([^*]+)\*\*(?!\w)")
_ABBREVIATION = re.compile(r"(?:\b[^\W\d_]\.){2,}$")


@dataclass(frozen=True)
class _Mark:
    """Where a mark and the rest of its line stand, and the answer as written there."""

    start: int
    end: int
    written: str


def parse(text: str) -> Answer:
    """Parses "Explanation: ... Answer: ..." as models write it.

    The last mark counts, because reasoning may mention earlier ones; the prompt's form echoed ("Answer: <the result
    alone>") is no mark. The answer may stand on the following line. What a reasoning model thinks to itself is neither
    explanation nor answer.

    Returns:
        The explanation as written ("" where there is none) and the final answer without markdown, quotes and full
        stop; None where the text has no mark, or nothing stands behind the last one.
    """
    shown = _without_thoughts(unicodedata.normalize("NFC", text))
    fields = list(_FIELD.finditer(shown))
    if fields or _CUT_FIELD.search(shown):
        explained = _EXPLANATION_FIELD.search(shown)
        explanation = _value(explained["value"]) if explained else None
        return Answer(explanation=explanation or "", final=_final(_value(fields[-1]["value"])) if fields else None)
    marks = _marks(shown)
    if not marks:
        return Answer(explanation=_explanation(shown), final=None)
    last = max(marks, key=lambda mark: (mark.start, -mark.end))
    # "Answer: The answer is 4" is two marks, and no explanation stands between them.
    begin = min(mark.start for mark in marks if mark.start <= last.start <= mark.end)
    written, end = last.written, last.end
    if not _bare(written):
        written, end = _next_line(shown, end)
    explained = _EXPLANATION_IN_LINE.search(written)
    if explained:
        written, end = written[: explained.start()], end - len(written) + explained.start()
    return Answer(explanation=_explanation(shown[:begin]) or _explanation(shown[end:]), final=_final(written))


def _without_thoughts(text: str) -> str:
    kept: list[str] = []
    begin, thinks = 0, False
    for tag in _THOUGHT_TAG.finditer(text):
        if tag["closes"] or tag["ends"]:
            # The chat template of some models writes the opening tag, so that only the closing one is here.
            kept = kept if thinks else []
            begin, thinks = tag.end(), False
        elif not thinks:
            kept.append(text[begin : tag.start()])
            thinks = True
    return _SPECIAL_TOKEN.sub("", "".join(kept) + ("" if thinks else text[begin:]))


def _marks(text: str) -> list[_Mark]:
    columns = list(_table_columns(text))
    headers = {column.start for column in columns}
    labels = [
        _Mark(match.start(), match.end(), match["answer"])
        for pattern in _LABELS
        for match in pattern.finditer(text)
        if not _is_echo(match["answer"]) and text.rfind("\n", 0, match.start() + 1) + 1 not in headers
    ]
    labels += [*columns, *_boxes(text)]
    sentences = list(_sentences(text))
    if not labels:
        return sentences
    # "The answer is derived by adding both" follows many an "Answer: 4".
    return labels + [mark for mark in sentences if len(mark.written.split()) <= _MAX_WORDS_OF_A_LATER_SENTENCE]


def _is_echo(written: str) -> bool:
    bare = written.strip(" \t\r*_`\"'“”")
    return bare in ("...", "…") or bool(_PLACEHOLDER.fullmatch(bare.rstrip(".")))


def _sentences(text: str) -> Iterator[_Mark]:
    for match in _SENTENCE.finditer(text):
        begin = max(text.rfind(stop, 0, match.start()) for stop in ".!?\n。") + 1
        remark = _REMARK.search(match["answer"])
        written = match["answer"][: remark.start()] if remark else match["answer"]
        if _bare(written).endswith("?") or _NO_STATEMENT.search(text, begin, match.start()):
            continue
        yield _Mark(match.start(), match.start("answer") + len(written), written)


def _boxes(text: str) -> Iterator[_Mark]:
    for match in _BOX.finditer(text):
        inside = _in_braces(text, match.end())
        if inside is not None:
            yield _Mark(match.start(), match.end() + len(inside) + 1, inside)


def _in_braces(text: str, begin: int) -> str | None:
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, begin, begin + 2000):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return text[begin : brace.start()]
    return None


def _table_columns(text: str) -> Iterator[_Mark]:
    """The cell below a table's heading "Answer"."""
    for match in re.finditer(r"^\|[^\n]*\|[^\S\n]*\n\|[\s:|-]*\|[^\S\n]*\n(?P<row>\|[^\n]*\|)", text, re.MULTILINE):
        head = [_bare(cell).casefold() for cell in match.group().split("\n")[0].strip().strip("|").split("|")]
        cells = match["row"].strip().strip("|").split("|")
        for name, cell in zip(head, cells, strict=False):
            if name in ("answer", "final answer"):
                yield _Mark(match.start(), match.end(), cell)


def _next_line(text: str, begin: int) -> tuple[str, int]:
    """The next line that is more than a rule or a fence, and where it ends."""
    for match in re.compile(r"[^\n]+").finditer(text, begin):
        if not _RULE_OR_FENCE.fullmatch(match.group()):
            return re.sub(r"^\s*(?:[*•>-]|\d{1,2}[.)])\s+", "", match.group()), match.end()
    return "", len(text)


def _explanation(text: str) -> str:
    """`text` from its label on, where it has one that the prompt's form does not stand behind."""
    for label in _EXPLANATION_LABEL.finditer(text):
        rest = text[label.end() :].strip()
        if not _PLACEHOLDER.match(rest):
            return rest.strip("|").strip()
    return "" if _RULE_OR_FENCE.fullmatch(text) else text.strip()


def _value(literal: str) -> str | None:
    """The text of a value in JSON or in a Python dictionary; None for null. Numbers stay as they are written."""
    if literal in ("null", "None"):
        return None
    if literal[0] not in "\"'[":
        return literal
    try:
        value = ast.literal_eval(literal) if literal[0] == "'" else json.loads(literal, strict=False)
    except (ValueError, SyntaxError):
        return literal
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    # An escape may stand for half a character, which no file can hold.
    return text.encode("utf-8", "replace").decode()


def _final(written: str | None) -> str | None:
    if written is None or _is_echo(written):
        return None
    box = next(_boxes(written), None)
    return _bare(_BOLD.sub(r"\1", box.written if box else written)) or None


def _bare(written: str) -> str:
    """`written` without what wraps it: spaces, markdown, HTML, quotes, LaTeX and a full stop, in any order."""
    bare = written
    while True:
        before = bare
        bare = re.sub(rf"^(?:{_HTML})+|(?:{_HTML})+$", "", bare.strip("\ufeff\u200b \t\r\n\v\f\u00a0\u3000")).strip()
        bare = bare.strip("*_`|") if not set(bare) <= set("*_`|+-") or set(bare) <= set("*_`|") else bare
        if len(bare) > 1 and _QUOTES.get(bare[0]) == bare[-1] and not {bare[0], bare[-1]} & set(bare[1:-1]):
            bare = bare[1:-1]
        elif bare.count('"') == 1:
            bare = bare.removeprefix('"') if bare.startswith('"') else re.sub(r'(?<!\d)"$', "", bare)
        for opening, closing in ("()", "[]"):
            # "(Answer: four)": the mark took the bracket that opened.
            if bare.endswith(closing) and bare.count(opening) < bare.count(closing):
                bare = bare[:-1]
        latex = _LATEX.fullmatch(bare)
        bare = latex[1] or latex[2] or "" if latex else bare
        if bare.endswith((".", "。", "．", "।")) and not bare.endswith("..") and not _ABBREVIATION.search(bare):
            bare = bare[:-1]
        if bare == before:
            return bare
