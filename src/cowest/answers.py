"""Finding the explanation and the final answer in what a model wrote."""

import re

from cowest.types import Answer

# "Answer:", "**Answer**:", "final answer -", "ANSWER：" at the start of a line; what follows is the answer.
_ANSWER = re.compile(
    r"^[ \t>#*_\-]*(?:the[ \t]+)?(?:final[ \t]+)?answer[ \t*_]*(?:[:：=\-]|is\b)[ \t*_]*(?P<answer>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_EXPLANATION = re.compile(r"^[ \t>#*_\-]*explanation[ \t*_]*[:：][ \t*_]*", re.IGNORECASE)


def parse(text: str) -> Answer:
    """Parses "Explanation: ... Answer: ..." as models write it.

    The last line that opens with "Answer" counts, because reasoning may mention earlier ones. An answer may stand on
    the following line. Nothing is guessed: a text without the mark, or with nothing after it, has no final answer.
    """
    marks = list(_ANSWER.finditer(text))
    if not marks:
        return Answer(explanation=_EXPLANATION.sub("", text.strip()), final=None)
    last = marks[-1]
    explanation = _EXPLANATION.sub("", text[: last.start()].strip())
    final = _clean(last["answer"]) or _clean(_first_line(text[last.end() :]))
    return Answer(explanation=explanation, final=final or None)


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _clean(answer: str) -> str:
    stripped = answer.strip().strip("*_`").strip().strip("\"'“”").strip()
    return stripped[:-1].rstrip() if stripped.endswith(".") and not stripped.endswith("..") else stripped
