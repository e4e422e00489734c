"""Example cases: where a draft helped the strong model most, and where it harmed most."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from cowest import runs
from cowest.method_names import STRONG_ONLY

MAX_CASES = 3
MAX_CHARACTERS = 2_000


class Case(BaseModel):
    """One query with draft, outputs and scores."""

    model_config = ConfigDict(frozen=True)

    id: str
    query: str
    reference: str
    alone: str
    alone_answer: str | None
    draft: str
    output: str
    answer: str | None
    alone_correct: float
    correct: float


def find_cases(predictions: Path, pair: str | None) -> dict[str, list[Case]]:
    """The examples on which the pair gains most over the strong model alone ("help"), and loses most ("harm").

    Args:
        predictions: the folder that holds METHOD.jsonl.
        pair: name of the pair's method.

    Returns:
        At most three of each, ties in the order of the file; empty where either file is missing.

    Raises:
        InputError, ValueError, OSError: a file is broken.
    """
    together_file, alone_file = predictions / f"{pair}.jsonl", predictions / f"{STRONG_ONLY}.jsonl"
    if pair is None or not together_file.is_file() or not alone_file.is_file():
        return {"help": [], "harm": []}
    # Two passes, so that memory never holds all texts of a large test set.
    alone_scores = dict(_scores(alone_file))
    gains = {key: score - alone_scores[key] for key, score in _scores(together_file) if key in alone_scores}
    ordered = sorted(gains, key=lambda key: -gains[key])
    picked = {
        "help": [key for key in ordered[:MAX_CASES] if gains[key] > 0],
        "harm": [key for key in sorted(gains, key=lambda key: gains[key])[:MAX_CASES] if gains[key] < 0],
    }
    wanted = {key for keys in picked.values() for key in keys}
    together, alone = _rows(together_file, wanted), _rows(alone_file, wanted)
    return {kind: [_case(key, together[key], alone[key]) for key in keys] for kind, keys in picked.items()}


def _scores(path: Path) -> Iterator[tuple[str, float]]:
    for row in runs.read_jsonl(path):
        if not row.get("error"):
            yield str(row.get("id")), float(row.get("correct") or 0.0)


def _rows(path: Path, wanted: set[str]) -> dict[str, dict[str, Any]]:
    return {str(row.get("id")): row for row in runs.read_jsonl(path) if str(row.get("id")) in wanted}


def _case(key: str, together: dict[str, Any], alone: dict[str, Any]) -> Case:
    reference = together.get("reference") or []
    return Case(
        id=key,
        query=_shortened(together.get("query")),
        reference=_shortened(reference if isinstance(reference, str) else " / ".join(map(str, reference))),
        alone=_shortened(alone.get("output")),
        alone_answer=alone.get("answer"),
        draft=_shortened(together.get("draft")),
        output=_shortened(together.get("output")),
        answer=together.get("answer"),
        alone_correct=float(alone.get("correct") or 0.0),
        correct=float(together.get("correct") or 0.0),
    )


def _shortened(text: Any) -> str:
    stripped = "" if text is None else str(text).strip()
    rest = len(stripped) - MAX_CHARACTERS
    return stripped if rest <= 0 else f"{stripped[:MAX_CHARACTERS]} … ({rest:,} more characters in the file)"
