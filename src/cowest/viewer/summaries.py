"""What a list shows of one example, and what filters and searches see of it, from its rows."""

from dataclasses import dataclass, field
from typing import Any

from cowest.auditing import left_right, same_answer, took_wrong
from cowest.method_names import STRONG_ONLY, pair_of
from cowest.viewer.rows import Row, Rows

FLAGS = (
    *("helped", "harmed", "pair_wrong", "both_wrong", "took_wrong", "left_right", "all_negative"),
    *("unscored", "unscored_draft", "unscored_alone", "unscored_pair", "failed", "paired", "skipped", "controlled"),
)
"""What an example can be filtered by, besides its fields."""

_EXCERPT = 160
_FACET = 60


@dataclass(frozen=True)
class Item:
    """An example as a list shows it and as filters and searches see it.

    Attributes:
        excerpt: the beginning of the query.
        score: the value that two runs are compared by: whether the pair is right, or the best gain of the drafts.
        gain: the pair's score minus that of the strong model alone, or the best gain of the drafts.
        alone: the score of the strong model alone: that of its answer, or of the judge.
        answer: the pair's final answer.
        flags: those of FLAGS that hold.
        facets: short fields by name, such as a label or a subject.
        text: the text that is searched.
    """

    excerpt: str
    score: float | None
    gain: float | None
    alone: float | None
    answer: str | None
    flags: frozenset[str]
    facets: dict[str, str] = field(default_factory=dict)
    text: str = ""


def evaluation_item(rows: Rows) -> Item:
    """The item of an example that methods answered."""
    first = {method: found[0] for method, found in rows.items()}
    pair = pair_of(first)
    together, alone = first.get(pair or ""), first.get(STRONG_ONLY)
    shown = together or alone or next(iter(first.values()))
    score, score_alone = _correct(together), _correct(alone)
    gain = None if score is None or score_alone is None else score - score_alone
    draft = _draft_answer(together)
    is_draft_without = bool(draft) and draft.get("final") is None
    found = {
        "helped": gain is not None and gain > 0,
        "harmed": gain is not None and gain < 0,
        "pair_wrong": score == 0,
        "both_wrong": score == 0 and score_alone == 0,
        "took_wrong": _took_wrong(together, alone),
        "left_right": _left_right(together),
        "failed": any(row.get("error") for row in first.values()),
        "unscored": is_draft_without or any(map(_has_no_answer, first.values())),
        "unscored_draft": is_draft_without,
        "unscored_alone": _has_no_answer(alone),
        "unscored_pair": _has_no_answer(together),
        "all_negative": not any(_correct(row) for row in first.values()),
    }
    label = {"label": shown["gold_label"]} if shown.get("gold_label") is not None else {}
    texts = [shown.get("query"), *as_texts(shown.get("reference")), *(label.values())]
    texts += [row.get(name) for row in first.values() for name in ("draft", "output", "answer", "error")]
    return Item(
        excerpt=_excerpt(shown.get("query")),
        score=_correct(shown),
        gain=gain,
        alone=score_alone,
        answer=_text(shown.get("answer")),
        flags=frozenset(name for name, holds in found.items() if holds),
        facets=_facets({**_fields(shown), **label}),
        text="\n".join(text for text in map(_text, texts) if text),
    )


def feedback_item(rows: Rows) -> Item:
    """The item of a query whose drafts were graded, or of one that was left out."""
    failures = [row.get("reason") for row in rows.get("failures", ())]
    graded = next(iter(rows.get("graded", ())), {})
    drafts = [draft for draft in graded.get("drafts") or () if isinstance(draft, dict)]
    gains = [draft["gain"] for draft in drafts if draft.get("gain") is not None]
    best = max(gains, default=None)
    alone = graded.get("solo_verdict") or {}
    is_alone_unscored = "solo_verdict" in graded and _is_unscored(alone)
    is_pair_unscored = any(_is_unscored(draft.get("verdict") or {}) for draft in drafts if "verdict" in draft)
    compared = graded.get("comparisons") or ()
    found = {
        "helped": best is not None and best > 0,
        "harmed": bool(gains) and min(gains) < 0,
        "all_negative": best is not None and best <= 0,
        "unscored": is_alone_unscored or is_pair_unscored or any(each.get("preference") is None for each in compared),
        "unscored_alone": is_alone_unscored,
        "unscored_pair": is_pair_unscored,
        "failed": bool(failures),
        "paired": bool(rows.get("pairs")),
        "skipped": bool(graded.get("skipped")),
        "controlled": bool(rows.get("null_control")),
    }
    texts = [graded.get("query"), graded.get("solo"), *as_texts(graded.get("reference")), *failures]
    for draft in drafts:
        texts += [draft_of(draft).get("text"), draft.get("refined")]
    texts += [row.get("text") for row in rows.get("null_control", ())]
    return Item(
        excerpt=_excerpt(graded.get("query") or next(iter(failures), "")),
        score=best,
        gain=best,
        alone=alone.get("score"),
        answer=None,
        flags=frozenset(name for name, holds in found.items() if holds),
        facets=_facets({**_fields(graded), **({"skipped": graded["skipped"]} if graded.get("skipped") else {})}),
        text="\n".join(text for text in map(_text, texts) if text),
    )


def draft_of(row: Row) -> Row:
    """The draft itself: a graded draft holds it beside its verdict, a compared one is the draft."""
    draft = row.get("draft", row)
    return draft if isinstance(draft, dict) else {}


def as_texts(value: Any) -> list[str]:
    """A reference as a list of texts, whatever the file holds."""
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _correct(row: Row | None) -> float | None:
    if row is None or row.get("error"):
        return None
    return float(row.get("correct") or 0.0)


def _has_no_answer(row: Row | None) -> bool:
    return row is not None and not row.get("error") and row.get("answer") is None


def _is_unscored(verdict: Row) -> bool:
    return verdict.get("score") is None and verdict.get("compared") is None


def _took_wrong(together: Row | None, alone: Row | None) -> bool:
    """Whether the pair gave a wrong draft's answer to what the strong model has right alone."""
    draft, score_alone = _draft_answer(together), _correct(alone)
    if together is None or not draft or score_alone is None:
        return False
    answer, label = _text(draft.get("final")), _text(draft.get("label"))
    is_same = same_answer(_text(together.get("answer")), _text(together.get("label")), answer, label)
    score = float(draft.get("correct") or 0.0)
    return took_wrong(draft=score, strong=score_alone, has_answer=answer is not None, is_same=is_same) or False


def _left_right(together: Row | None) -> bool:
    """Whether the pair is wrong though the draft is right."""
    draft, score = _draft_answer(together), _correct(together)
    if not draft or score is None:
        return False
    return left_right(draft=float(draft.get("correct") or 0.0), pair=score) or False


def _draft_answer(row: Row | None) -> Row:
    """What the prediction says of its draft's answer; empty where it says nothing, or the call failed."""
    found = (row or {}).get("draft_answer")
    return found if isinstance(found, dict) and not (row or {}).get("error") else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _excerpt(text: Any) -> str:
    return " ".join(str(text or "")[: 4 * _EXCERPT].split())[:_EXCERPT]


def _fields(row: Row) -> Row:
    fields = row.get("fields")
    return fields if isinstance(fields, dict) else {}


def _facets(fields: Row) -> dict[str, str]:
    short = {name: str(value) for name, value in fields.items() if isinstance(value, str | int | float | bool)}
    return {name: value for name, value in short.items() if value and len(value) <= _FACET}
