"""GRPO of a tiny model in a few steps, with a strong model and a judge that are programs."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cowest
from cowest.alignment import AlignConfig, Online
from cowest.judge import as_base_judge
from cowest.ledger import Ledger
from cowest.models import open_model
from cowest.stages.align import align
from cowest.training import TrainedModel
from cowest.training.progress import Progress
from cowest.types import Example, GradedExample, Sampling, Verdict
from tests.training import tiny

SETTINGS: dict[str, Any] = {
    "method": "grpo",
    "generations": 4,
    "batch_size": 4,
    "gradient_accumulation": 2,
    "learning_rate": 1e-2,
    "epochs": 2,
    "save_every": 2,
}
"""Two queries a step, with four drafts each."""

SAMPLING = Sampling(temperature=1.0, top_p=0.9, max_tokens=8)


class Judge:
    """Scores by a function of the text; None is unscored."""

    name = "program"

    def __init__(self, score: Callable[[str], int | None]) -> None:
        self._score = score

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`."""
        score = self._score(output)
        return Verdict(unscored_reason="no number") if score is None else Verdict(score=score)


def by_hash(text: str) -> int:
    """A score that depends on the text alone."""
    return 1 + hashlib.sha256(text.encode()).digest()[0] % 10


def solos(count: int) -> list[GradedExample]:
    """Queries with z and its verdict."""
    return [
        GradedExample(example_id=example.id, query=example.query, solo="z", solo_verdict=Verdict(score=5), drafts=())
        for example in tiny.examples(count)
    ]


def online(score: Callable[[str], int | None] = by_hash, ledger: Path | None = None, **changes: Any) -> Online:
    """A strong model that repeats the draft, and a judge."""
    strong = cowest.ScriptedModel(lambda request: request.messages[-1].content)
    opened = open_model(strong, role="strong", ledger=None if ledger is None else Ledger(ledger))
    pair = cowest.Collaboration(opened, opened, weak_sampling=changes.get("sampling", SAMPLING))
    examples = {example.id: example for example in tiny.examples(9)}
    return Online(examples=examples, collaboration=pair, judge=as_base_judge(Judge(score)))


def run_grpo(
    start: TrainedModel,
    out: Path,
    progress: Progress | None = None,
    *,
    score: Callable[[str], int | None] = by_hash,
    ledger: Path | None = None,
    count: int = 4,
    **changes: Any,
) -> TrainedModel:
    """Four steps of GRPO."""
    config = AlignConfig.model_validate(SETTINGS | changes)
    return align(start, solos(count), out=out, config=config, progress=progress, online=online(score, ledger))
