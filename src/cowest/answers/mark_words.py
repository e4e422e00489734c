"""Where the first mark of a text can begin: a look for its words, before the patterns are tried at every letter."""

# A part of every word for "answer" and of every other word that a mark is made of, in small letters (`marks.py`).
_PARTS = (
    "ans", "correct ", "result", "verdict", "decision", "choice", "label", "ponse", "antwo", "respuesta", "resposta",
    "risposta", "svar", "vastaus", "odpow", "odpov", "răspuns", "cevap", "yan", "jawab", "đáp", "trả", "ответ",
    "відпов", "ντη", "תשוב", "الإجابة", "الجواب", "الاجابة", "پاسخ", "उत्तर", "উত্তর", "คำตอบ", "答", "답",
)  # fmt: skip
# Letters that the patterns take for one of those above, and that `lower` does not turn into it.
_ODD_CASES = frozenset("ſ\u212aıİ\u1c80\u1c81\u1c82\u1c83\u1c84\u1c85\u1c86\u1c87\u1c88")
_WORDS_BEFORE = 4


def begin(text: str) -> int | None:
    """A place that no mark which has a word of its own begins before; None where there is no such mark.

    A mark's word may have up to three others before it ("my final answer"), of the same line.
    """
    if not text.isascii() and not _ODD_CASES.isdisjoint(text):
        return 0
    lower = text.lower()
    found = [place for part in _PARTS if (place := lower.find(part)) >= 0]
    if not found:
        return None
    first = min(found)
    line = text.rfind("\n", 0, first) + 1
    before = text[line:first].rsplit(None, _WORDS_BEFORE)
    return line + len(before[0]) if len(before) > _WORDS_BEFORE else line
