"""Answers without a mark: a reply that is nothing but an answer, and the sentences that open and close a reply."""

import re

from cowest.answers.cleaning import bare

MAX_WORDS = 12
MAX_WORDS_OF_A_SENTENCE = 40
"""A longer reply without a mark is not taken for an answer as a whole; a whole sentence may be longer than words."""

MAX_LETTERS = 60
"""A longer word is a model that repeats itself."""

MAX_LETTERS_OF_A_STATEMENT = 800

_FENCE = re.compile(r"\s*(?:```|~~~)\w*\s*|[-=*_|:\s]*")
_STOP = re.compile(r"[.!?]+[\"'”’)*_`\]]{0,4}(?=\s|$)|[。！？]")
# A full stop after an initial ("J. K. Rowling"), an option's letter ("C. Streptococcus") or a short form is no end.
_NO_END = re.compile(
    r"(?:^|[\s(\[*])(?:[^\W_]|vs|st|mt|ft|dr|mr|mrs|ms|jr|sr|prof|gen|capt|lt|col|inc|ltd|co|corp|no|cf|approx|"
    r"e\.g|i\.e)$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^[\s>*_#-]{0,8}(?:option\s+)?[(\[]?([A-Ea-e])[)\].:](?=\s|\*|$)", re.IGNORECASE | re.MULTILINE)
# A reply that speaks of the answer without a mark ("I am not sure that the answer is 4") does not state one.
_REFUSAL = re.compile(
    r"\b(?:i|we) (?:do not|don't|cannot|can't|could not|couldn't|am (?:not|unable|sorry)|"
    r"apologi[sz]e|need|would need)\b|"
    r"\bi'm (?:not|sorry|unable)\b|\bas an ai\b|^(?:sorry|unfortunately|sure|okay|ok|certainly|of course)\b|"
    r"\b(?:no idea|who knows|not sure|rather not|prefer not)\b|"
    r"\b(?:cannot|can't|can not|could not) be (?:answered|determined|calculated|inferred)\b|^(?:unknown|unclear)$|"
    r"\banswer(?:s|ed|ing)?\b|\bnot (?:enough information|provided|given|mentioned|specified|possible to)\b",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"(?:[:,;(\[{=+\-–—]|\b(?:the|a|an|of|to|and|or|is|are|that|in|with|by|for|from|as))$", re.IGNORECASE
)
_HEDGE = re.compile(r"\b(?:either|it depends|(?:could|may|might|can) be\b.*\bor)\b", re.IGNORECASE)
_LABELLED = re.compile(r"^\W{0,8}[^\W\d_][\w ]{0,30}:(?!\d|//)")


def lines(text: str) -> list[str]:
    """The lines that are more than a rule or a fence, without what a list puts before them."""
    kept = [line.strip() for line in text.split("\n") if not _FENCE.fullmatch(line)]
    return [re.sub(r"^(?:[*•>-]|#{1,6}|\d{1,2}[.)])\s+", "", line) for line in kept]


def whole(text: str) -> str | None:
    """The reply as an answer: a few words, or one sentence, that neither asks, refuses, hedges, nor breaks off."""
    found = lines(text)
    if len(found) != 1 or len(found[0]) > MAX_LETTERS_OF_A_STATEMENT:
        return None
    num_words, found_sentences = len(found[0].split()), sentences(found[0])
    is_sentence = len(found_sentences) == 1 and bool(_STOP.search(found[0][-6:]))
    if num_words > (MAX_WORDS_OF_A_SENTENCE if is_sentence else MAX_WORDS):
        return None
    answer = bare(found[0])
    is_answer = answer and not (
        answer.endswith("?")
        or max(map(len, answer.split())) > MAX_LETTERS
        or _REFUSAL.search(answer)
        or _HEDGE.search(answer)
        or _UNFINISHED.search(answer)
        or _LABELLED.match(answer)
    )
    return answer if is_answer else None


def opening(text: str) -> list[str]:
    """The first line and its first sentence; none where the reply lists options, of which the first is no answer."""
    found = lines(text)
    if not found or len({item.upper() for item in _ITEM.findall(text)}) > 1:
        return []
    return _short([found[0], sentences(found[0])[0]])


def closing(text: str) -> list[str]:
    """The last line and its last sentence, where the reply does not break off in them."""
    found = lines(text)
    if len(found) > 1 and len({item.upper() for item in _ITEM.findall(text)}) > 1 and _ITEM.match(found[-1]):
        return []
    if not found or not (_STOP.search(found[-1][-6:]) or len(found[-1].split()) <= MAX_WORDS):
        return []
    return _short([sentences(found[-1])[-1], found[-1]])


def openings(text: str) -> list[str]:
    """The first sentence of every line."""
    return _short([sentences(line)[0] for line in lines(text)])


def _short(candidates: list[str]) -> list[str]:
    return [each for each in dict.fromkeys(candidates) if len(each) <= MAX_LETTERS_OF_A_STATEMENT]


def sentences(line: str) -> list[str]:
    """The sentences of a line."""
    found, begin = [], 0
    for stop in _STOP.finditer(line):
        if (
            stop[0][0] == "."
            and stop.end() < len(line)
            and _NO_END.search(line, max(begin, stop.start() - 8), stop.start())
        ):
            continue
        found.append(line[begin : stop.end()].strip())
        begin = stop.end()
    rest = line[begin:].strip()
    return [*found, rest] if rest or not found else found
