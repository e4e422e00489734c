"""TAT-QA's exact match and numeracy-aware F1, and how a model's text is read as answers with a scale.

`exact_match_and_f1` follows the data set's own scorer (Zhu et al., ACL 2021; NExTplusplus/TAT-QA, tatqa_metric.py),
including what seems odd, since published figures are made with it:

- Several answers are sorted as texts and joined, and then compared as one text. Both metrics see one bag of tokens.
- A number counts with its scale: 12.5 with "million", "12.5 million" and "12,500,000" are equal. It is rounded to two
  decimals before the scale is applied. A number without scale also equals the percentage of which it is the fraction.
- What follows a number and its scale word is ignored: "12.5 million dollars" is 12.5 million.
- "(43)" is -43, but "(1,043)" is 1043, and a minus sign of Unicode makes a word.
- Tokens of the F1 are a set; the F1 is rounded to two decimals; for arithmetic and count it is the exact match.

`score` reads free text and is kinder than that only where a right answer would lose: a negative number is negative
however it is written, and a gold answer that states its scale needs no second one.
"""

import re
import string
from collections.abc import Iterator, Sequence
from itertools import product

from cowest import answers as outputs

SCALES = {"": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9, "percent": 0.01}
"""The scales of the data set and what they multiply by."""

# "hundred" is no scale of the data set, but its scorer reads it inside an answer.
_SCALE_WORDS = {"hundred": 100, **{word: factor for word, factor in SCALES.items() if word}}
_NOT_IN_NUMBERS = str.maketrans("", "", "'\"\\$€£¥%(),[]")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_BARE_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_MAX_WHOLE_DIGITS = 15
_SCORER_SCALED = re.compile(r"(?<![\d.])[\d.]++\s?[a-zA-Z]+")
_SCORER_NEGATIVE = re.compile(r"\([\d.\s]+\)")
_SCORER_PERCENT = re.compile(r"[\d.\s]%")

_CURRENCY = re.compile(r"[$€£¥]\s*")
_WRITTEN_NUMBER = re.compile(
    r"(?P<open>\(\s*)?(?P<sign>[+\-−–]?)\s*(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)"
    r"\s*(?P<inner>%?)\s*(?P<close>\))?\s*(?P<outer>%?)"
)
_SCALE_AT_END = re.compile(r"(?:%|\b(?:per ?cent|thousand|million|billion)s?)\.?\Z", re.IGNORECASE)
_SEPARATOR = ";"

Reading = tuple[tuple[str, ...], str]
"""Answers and the scale they share, as the published scorer takes them."""


def score(text: str, answers: Sequence[str], scale: str, answer_type: str) -> tuple[float, float]:
    """Exact match and F1 of what a model wrote; the best over the readings of both sides.

    Args:
        text: the model's final answer: "12.5 million", "34.2%", "2018; 2019".
        answers: the gold answers.
        scale: their scale, a key of `SCALES`.
        answer_type: "span", "multi-span", "arithmetic" or "count".
    """
    readings = product(readings_of_text(text), _readings_of_gold(tuple(answers), scale))
    return max((exact_match_and_f1(*read, *gold, answer_type) for read, gold in readings), default=(0.0, 0.0))


def readings_of_text(text: str) -> list[Reading]:
    """The answers and scales that a text may be read as; all of them mean the same, so none is a guess.

    - Several answers are separated by ";". The text as one answer is a reading too: a span may hold a semicolon.
    - A scale after a number (thousand, million, billion, percent, per cent, %) is part of the answer, or the scale of
      all answers where all have the same. An answer has one scale in this data set, so one after the last of several
      plain numbers counts for all of them.
    - "(1,043)", "-$1,043" and "−1043" are also read as -1043. Nothing else is taken from a number: "about 12" and
      "12m" are words.
    """
    pieces = tuple(piece.strip() for piece in text.split(_SEPARATOR) if piece.strip())
    found: list[Reading] = []
    # The scorer takes "5 million; 6" for five million: that text is two answers and nothing else.
    whole = (text.strip(),) if pieces and _number(text) is None else ()
    for answers in filter(None, dict.fromkeys((pieces, whole))):
        # Plainly, since the scorer does not see the scale in "(1,043) million".
        found.append((tuple(_plain(answer) if own_scale(answer) else answer for answer in answers), ""))
        found.extend(_with_shared_scale(answers))
    return _with_plain_numbers(found)


def own_scale(answer: str) -> str | None:
    """The scale that a number states itself ("$3.0 million": "million"); None where there is none, or no number."""
    return _split_scale(answer)[1]


def exact_match_and_f1(
    predicted: Sequence[str], predicted_scale: str, gold: Sequence[str], gold_scale: str, answer_type: str
) -> tuple[float, float]:
    """What the published scorer gives for these answers and scales."""
    reference = _normalise(_joined(gold, gold_scale))
    candidates = [_joined(predicted, predicted_scale)]
    if len(predicted) == 1 and not predicted_scale and "%" not in predicted[0]:
        fraction = _number(predicted[0])
        if fraction is not None:
            candidates.append(f"{fraction:.4f}")
    best = max(_compare(_normalise(candidate), reference) for candidate in candidates)
    return (best[0], best[0]) if answer_type in ("arithmetic", "count") else best


def write(answers: Sequence[str], scale: str) -> str:
    """Gold answers as a model would write them: "12.5 million", "34.2%", "2018; 2019"; empty ones are left out."""
    kept = [" ".join(answer.splitlines()) for answer in answers if answer]
    if len(kept) > 1 or _number(kept[0]) is not None:
        # A semicolon would separate answers; to the scorer one mark is like the other.
        kept = [answer.replace(_SEPARATOR, ",") for answer in kept]
    return f"{_SEPARATOR} ".join(_with_scale(answer, scale) for answer in kept)


def _with_scale(answer: str, scale: str) -> str:
    if not scale or own_scale(answer):
        return answer
    return f"{answer}%" if scale == "percent" and _plain_number(answer) else f"{answer} {scale}"


def _readings_of_gold(answers: tuple[str, ...], scale: str) -> list[Reading]:
    found = [(answers, scale)]
    if scale and any(own_scale(answer) or _plain_number(answer) is None for answer in answers):
        found.append((tuple(_with_scale(answer, scale) for answer in answers if answer), ""))
    # `answers.parse` drops quotes and full stops at the ends of an answer, so the gold answer may lose them too.
    written = write(answers, scale)
    final = outputs.parse(f"Answer: {written}").final
    if final is not None and final != written:
        found.extend(readings_of_text(final))
    return _with_plain_numbers(found)


def _with_shared_scale(answers: tuple[str, ...]) -> Iterator[Reading]:
    parts = [_split_scale(answer) for answer in answers]
    last = parts[-1][1]
    same = all(scale == last for _, scale in parts)
    only_last = all(scale is None and _plain_number(value) for value, scale in parts[:-1])
    if last is not None and (same or only_last):
        yield tuple(value for value, _ in parts), last


def _split_scale(answer: str) -> tuple[str, str | None]:
    match = _SCALE_AT_END.search(answer)
    value = answer[: match.start()].rstrip() if match else ""
    if match is None or _plain_number(value) is None:
        # "(3%)" has its sign within.
        inside = (_plain_number(answer) or "").endswith("%")
        return answer, "percent" if inside else None
    return value, "percent" if match[0][0] in "%pP" else match[0].lower().rstrip(".").removesuffix("s")


def _with_plain_numbers(readings: Sequence[Reading]) -> list[Reading]:
    """The readings, and each again with every number written plainly."""
    plain = [(tuple(map(_plain, answers)), scale) for answers, scale in readings]
    return list(dict.fromkeys([*readings, *plain]))


def _plain(answer: str) -> str:
    value, scale = _split_scale(answer)
    number = _plain_number(value)
    if number is None:
        return answer
    return number if number.endswith("%") or not scale else _with_scale(number, scale)


def _plain_number(answer: str) -> str | None:
    """The number in ASCII, "-1043.5" or "-3%", without grouping and currency; None where it is not just a number."""
    match = _WRITTEN_NUMBER.fullmatch(" ".join(_CURRENCY.sub("", answer).split()))
    if match is None or (match["open"] is None) != (match["close"] is None):
        return None
    sign = "-" if match["open"] or match["sign"] in ("-", "−", "–") else ""
    percent = "%" if match["inner"] or match["outer"] else ""
    digits = match["digits"].replace(",", "").rstrip(".")
    return f"{sign}{'0' if digits.startswith('.') else ''}{digits}{percent}"


def _joined(answers: Sequence[str], scale: str) -> str:
    return " ".join(_scaled(answer, scale) for answer in sorted(answers))


def _scaled(answer: str, scale: str) -> str:
    number = _number(answer)
    if number is None:
        return f"{answer} {scale}" if scale else answer
    return f"{number:.4f}" if "%" in answer else f"{round(number, 2) * SCALES[scale]:.4f}"


def _normalise(text: str) -> str:
    return " ".join(" ".join(_normalise_token(token.lower()) for token in text.split(" ")).split())


def _normalise_token(token: str) -> str:
    number = _number(token)
    return _ARTICLES.sub(" ", token.translate(_PUNCTUATION)) if number is None else str(number)


def _number(text: str) -> float | None:
    """The number that the published scorer reads, with its scale word, percent sign and parentheses applied.

    A whole number stays an int, because "2018" and "2018.0" are different tokens there.
    """
    words = " ".join(word.translate(_NOT_IN_NUMBERS) for word in text.split()).split()
    if not words or not _BARE_NUMBER.fullmatch(words[0]):
        return None
    is_whole = words[0].lstrip("+-").rstrip(".").isdecimal() and len(words[0]) <= _MAX_WHOLE_DIGITS
    number = int(words[0].rstrip(".")) if is_whole else float(words[0])
    if len(words) > 1 and _factor(words[1]) is None:
        return None
    scaled = _SCORER_SCALED.search(text)
    number *= (_factor(scaled[0]) if scaled else None) or 1
    number *= -1 if _SCORER_NEGATIVE.search(text) else 1
    number *= 0.01 if _SCORER_PERCENT.search(text) else 1
    return round(number, 4)


def _factor(text: str) -> float | None:
    return next((factor for word, factor in _SCALE_WORDS.items() if word in text.lower()), None)


def _compare(predicted: str, gold: str) -> tuple[float, float]:
    predicted_tokens, gold_tokens = set(predicted.split()), set(gold.split())
    num_shared = len(predicted_tokens & gold_tokens)
    # An empty side counts as precise (or as fully recalled); only two empty sides are equal.
    precision = num_shared / len(predicted_tokens) if predicted_tokens else 1.0
    recall = num_shared / len(gold_tokens) if gold_tokens else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    # NumPy's rounding, which the scorer uses: 0.975 becomes 0.98.
    return float(predicted == gold), round(100 * f1) / 100
