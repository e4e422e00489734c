"""Explanation and final answer from the text of a model, by its marks or its fields of JSON."""

import ast
import functools
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Protocol

from cowest.answers import statements
from cowest.answers.cleaning import bare
from cowest.answers.marks import CLOSING, OPENING, PLACEHOLDER, Mark, boxes, is_echo, marks, states_nothing
from cowest.types import Answer

_EXPLANATION = (
    r"explanation|reasoning|rationale|justification|explication|raisonnement|erkl[äa]rung|begr[üu]ndung|"
    r"explicaci[óo]n|explicação|spiegazione|uitleg|f[öo]rklaring|wyja[śs]nienie|açıklama|penjelasan|giải thích|"
    r"объяснение|пояснення|التفسير|الشرح|व्याख्या|解释|解釋|解析|理由|説明|설명|해설"
)
_EXPLANATION_LABEL = re.compile(
    rf"^{OPENING}(?:{_EXPLANATION}){CLOSING}(?:[:：|]{CLOSING}|$)",
    re.IGNORECASE | re.MULTILINE,
)
_EXPLANATION_IN_LINE = re.compile(
    rf"(?:^\W{{0,8}}|(?<=[.!?;,。！？；，])\W{{0,8}})(?:{_EXPLANATION}){CLOSING}[:：]",
    re.IGNORECASE,
)
_VALUE = r"""(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[[^\[\]]*\]|[^\s,{}\[\]"']+)\s*(?=[,}])"""
_FIELD_NAME = r"[\"'](?:final[_ ]?)?answer[\"']\s*:\s*"
_FIELD = re.compile(_FIELD_NAME + _VALUE, re.IGNORECASE)
_CUT_FIELD = re.compile(r"\{[^{}]*" + _FIELD_NAME, re.IGNORECASE)
_EXPLANATION_FIELD = re.compile(rf"[\"'](?:{_EXPLANATION})[\"']\s*:\s*{_VALUE}", re.IGNORECASE)

_THOUGHT_TAG = re.compile(r"<(?P<closes>/?)(?:think|thinking|thought|reasoning)>|\[(?P<ends>/?)THINK\]")
_SPECIAL_TOKEN = re.compile(r"<\|[^|<>\n]{1,40}\|>|</s>")
_RULE_OR_FENCE = re.compile(r"\s*(?:(?:```|~~~)\w*|[-=*_|:\s]*)\s*")
_ANSWER_LINE = re.compile(rf"^{OPENING}(?:the |final ){{0,2}}answer{CLOSING}[:：]", re.IGNORECASE | re.MULTILINE)
_BOLD = re.compile(r"(?<!\w)\*\*(?=\S)([^*]+)\*\*(?!\w)")
_MAX_LETTERS_KEPT = 20_000


class Vocabulary(Protocol):
    """The labels or options of a task: which of them a text means. Nothing is guessed."""

    def means(self, written: str) -> str | None:
        """The label that a stated answer means; None where it means none or several."""
        ...

    def says(self, sentence: str) -> str | None:
        """The label that a sentence gives as the answer, if it opens or closes a reply; None where it gives none."""
        ...

    def named(self, written: str) -> set[str]:
        """All labels that a text names, also those that it denies."""
        ...


def parse(text: str, vocabulary: Vocabulary | None = None) -> Answer:
    """Parses "Explanation: ... Answer: ..." as models write it.

    The last mark counts, because reasoning may mention earlier ones; the prompt's form echoed ("Answer: <the result
    alone>") is no mark. The answer may be on the following line. The thoughts of a reasoning model are neither
    explanation nor answer. Without a mark a reply of one short line is the answer.

    Args:
        text: the reply.
        vocabulary: the labels or options that an answer can be. With it, an answer that opens or closes a reply counts
            too ("Yes, because ...", "... So it is unsafe."), where no mark gives one and the two do not contradict
            each other.

    Returns:
        The explanation as written ("" where there is none) and the final answer without markdown, quotes and full
        stop; None where nothing is found. Where the vocabulary found it, it is the label.
    """
    shown, found, answer = _read_again(text) if len(text) <= _MAX_LETTERS_KEPT else _read(text)
    return answer if vocabulary is None or found is None else _in_vocabulary(answer, shown, found, vocabulary)


def _read(text: str) -> tuple[str, tuple[Mark, ...] | None, Answer]:
    """What is shown of a reply, its marks, None where it is JSON, and the answer that they give."""
    shown = _without_thoughts(unicodedata.normalize("NFC", text))
    fields = list(_FIELD.finditer(shown))
    if fields or _CUT_FIELD.search(shown):
        explained = _EXPLANATION_FIELD.search(shown)
        explanation = _value(explained["value"]) if explained else None
        final = _final(_value(fields[-1]["value"])) if fields else None
        return shown, None, Answer(explanation=explanation or "", final=final)
    found = tuple(mark for mark in marks(shown) if not states_nothing(_written(shown, mark)[0]))
    if found:
        return shown, found, _marked(shown, found)
    whole = statements.whole(shown)
    return shown, found, Answer(explanation="" if whole else _explanation(shown), final=whole)


# A text is read for its score, for the counts and for the diagnostics, mostly one right after the other.
_read_again = functools.lru_cache(maxsize=512)(_read)


def _in_vocabulary(answer: Answer, shown: str, found: Sequence[Mark], vocabulary: Vocabulary) -> Answer:
    """`answer`, where a mark gives one of the vocabulary; else what the reply opens or closes with, if that is one."""
    written = answer.final or ""
    if found and (vocabulary.means(written) is not None or vocabulary.named(written)):
        return answer
    said = [vocabulary.means(each) for each in {_final(mark.written) or "" for mark in found}]
    for candidates in (statements.opening(shown), statements.closing(shown)):
        said.append(next((label for each in candidates if (label := vocabulary.says(each)) is not None), None))
    labels = {label for label in said if label is not None}
    if labels:  # a later paragraph may say otherwise
        labels |= {label for each in statements.openings(shown) if (label := vocabulary.says(each)) is not None}
    if len(labels) != 1:
        return answer if found else Answer(explanation=_explanation(shown), final=None)
    return Answer(explanation=answer.explanation if found else _explanation(shown), final=labels.pop())


def _marked(shown: str, found: Sequence[Mark]) -> Answer:
    last = max(found, key=lambda mark: (mark.start, -mark.end))
    # "Answer: The answer is 4" is two marks with no explanation between them.
    begin = min(mark.start for mark in found if mark.start <= last.start <= mark.end)
    written, end = _written(shown, last)
    explained = _EXPLANATION_IN_LINE.search(written)
    if explained:
        written, end = written[: explained.start()], end - len(written) + explained.start()
    return Answer(explanation=_explanation(shown[:begin]) or _explanation(shown[end:]), final=_final(written))


def _written(shown: str, mark: Mark) -> tuple[str, int]:
    """What follows a mark, on its line or else on the next, and where that ends."""
    return (mark.written, mark.end) if bare(mark.written) else _next_line(shown, mark.end)


def explanation_in(text: str) -> str:
    """The explanation in a reply to a prompt that asks for nothing else; "" where there is none.

    Without label and thoughts. Lines from "Answer: ..." on are left out; a sentence that states an answer stays, since
    the text around it would be torn.
    """
    shown = _without_thoughts(unicodedata.normalize("NFC", text))
    answer = _ANSWER_LINE.search(shown)
    return _explanation(shown[: answer.start()] if answer else shown)


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


def _next_line(text: str, begin: int) -> tuple[str, int]:
    """The next line that is more than a rule or a fence, and where it ends."""
    for match in re.compile(r"[^\n]+").finditer(text, begin):
        if not _RULE_OR_FENCE.fullmatch(match.group()):
            return re.sub(r"^\s*(?:[*•>-]|\d{1,2}[.)])\s+", "", match.group()), match.end()
    return "", len(text)


def _explanation(text: str) -> str:
    """`text` after its label "Explanation:", if it has one that a placeholder of the prompt does not follow."""
    for label in _EXPLANATION_LABEL.finditer(text):
        rest = text[label.end() :].strip()
        if not PLACEHOLDER.match(rest):
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
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _final(written: str | None) -> str | None:
    if written is None or is_echo(written):
        return None
    box = next(boxes(written), None)
    return bare(_BOLD.sub(r"\1", box.written if box else written)) or None
