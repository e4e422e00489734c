"""What a run's folder holds to browse: the evaluation and each round's feedback, with the files each is read from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cowest import runs
from cowest.auditing import left_right, same_answer, took_wrong
from cowest.method_names import STRONG_ONLY, WEAK_ONLY, pair_of
from cowest.viewer.rows import Row, Rows

FLAGS = (
    *("helped", "harmed", "took_wrong", "left_right", "all_negative", "unscored", "failed", "paired", "skipped"),
    "controlled",
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
        answer: the pair's final answer.
        flags: those of FLAGS that hold.
        facets: short fields by name, such as a label or a subject.
        text: the text that is searched.
    """

    excerpt: str
    score: float | None
    gain: float | None
    answer: str | None
    flags: frozenset[str]
    facets: dict[str, str] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Collection:
    """Examples that belong together: those of the evaluation, or of one round's feedback.

    Attributes:
        name: "evaluation" or "round-N", as addresses carry it.
        sources: files by name; the first gives the order of the examples.
        id_field: the name of an example's id in those files.
        summarise: makes an item of the rows of one example.
        growing: whether a stage still writes to the first file; its last line may be incomplete.
    """

    name: str
    title: str
    sources: dict[str, Path]
    id_field: str
    summarise: Callable[[Rows], Item]
    growing: bool = False

    @property
    def version(self) -> tuple[tuple[str, int, int], ...]:
        """Name, size and time of each file, which change with it."""
        found = []
        for name, path in self.sources.items():
            try:
                facts = path.stat()
            except OSError:  # replaced or removed since it was listed
                continue
            found.append((name, facts.st_size, facts.st_mtime_ns))
        return tuple(found)


def find(folder: Path) -> Iterator[Collection]:
    """The collections that a run's folder holds so far, the evaluation first, then the rounds from the last."""
    run = runs.RunFolder(folder)
    found = sorted((run.evaluate / "predictions").glob("*.jsonl"))
    predictions = {path.stem: path for path in found if path.is_file()}  # not a pipe, at which reading would wait
    if predictions:
        order = {name: predictions[name] for name in _by_importance(list(predictions))}
        yield Collection("evaluation", "Evaluation", order, "id", evaluation_item)
    for number in reversed(run.rounds_begun()):
        names = ("graded", "pairs", "failures", "null_control")
        files = {name: run.feedback(number) / f"{name}.jsonl" for name in names}
        so_far = run.feedback(number) / runs.GRADED_SO_FAR
        growing = not files["graded"].is_file() and so_far.is_file()
        if growing:
            files = {"graded": so_far}
        files = {name: path for name, path in files.items() if path.is_file()}
        if files:
            title = f"Feedback, round {number}"
            yield Collection(f"round-{number}", title, files, "example_id", feedback_item, growing)


def evaluation_item(rows: Rows) -> Item:
    """The item of an example that methods answered."""
    first = {method: found[0] for method, found in rows.items()}
    pair = pair_of(first)
    together, alone = first.get(pair or ""), first.get(STRONG_ONLY)
    shown = together or alone or next(iter(first.values()))
    score, score_alone = _correct(together), _correct(alone)
    gain = None if score is None or score_alone is None else score - score_alone
    found = {
        "helped": gain is not None and gain > 0,
        "harmed": gain is not None and gain < 0,
        "took_wrong": _took_wrong(together, alone),
        "left_right": _left_right(together),
        "failed": any(row.get("error") for row in first.values()),
        "unscored": any(not row.get("error") and row.get("answer") is None for row in first.values()),
        "all_negative": not any(_correct(row) for row in first.values()),
    }
    label = {"label": shown["gold_label"]} if shown.get("gold_label") is not None else {}
    texts = [shown.get("query"), *as_texts(shown.get("reference")), *(label.values())]
    texts += [row.get(name) for row in first.values() for name in ("draft", "output", "answer", "error")]
    return Item(
        excerpt=_excerpt(shown.get("query")),
        score=_correct(shown),
        gain=gain,
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
    judged = [row for row in (graded, *drafts) if "solo_verdict" in row or "verdict" in row]
    verdicts = [row.get("solo_verdict") or row.get("verdict") or {} for row in judged]
    compared = graded.get("comparisons") or ()
    found = {
        "helped": best is not None and best > 0,
        "harmed": bool(gains) and min(gains) < 0,
        "all_negative": best is not None and best <= 0,
        "unscored": any(verdict.get("score") is None and verdict.get("compared") is None for verdict in verdicts)
        or any(each.get("preference") is None for each in compared),
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


def _by_importance(methods: list[str]) -> list[str]:
    first = [name for name in (pair_of(methods), STRONG_ONLY, WEAK_ONLY) if name in methods]
    return [*first, *(name for name in methods if name not in first)]


def _correct(row: Row | None) -> float | None:
    if row is None or row.get("error"):
        return None
    return float(row.get("correct") or 0.0)


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
