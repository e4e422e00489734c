"""RLWF's annotator: what it is tuned on."""

import json
from pathlib import Path

import pytest

from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, TrainingError
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.align import AlignConfig
from cowest.stages.annotator import train_annotator
from cowest.training import LoRAConfig, TrainedModel
from cowest.types import ChatRequest, Completion
from tests.training import tiny
from tests.worlds import Sums, sums


def reply(request: ChatRequest) -> str | Exception | Completion:
    """Right about 0 and 1, silent about 2, cut at 3, wrong about the rest."""
    number = int(request.messages[-1].content.split()[2])
    if number == 2:
        return CompletionError("silent")
    if number == 3:
        return Completion(text="Answer: 1", finish_reason="length")
    return f"Answer: {2 * number + 1 if number < 2 else 0}"


def tune(folder: Path, count: int) -> tuple[TrainedModel, ScriptedModel]:
    async def complete(request: ChatRequest) -> Completion:
        found = reply(request)
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, Completion) else Completion(text=found, finish_reason="stop")

    weak = ScriptedModel(complete)
    trained = train_annotator(
        str(tiny.build(folder / "model")),
        sums(count),
        collaboration=Collaboration(weak, weak),
        task=Sums(),
        out=folder / "annotator",
        config=AlignConfig(batch_size=4, gradient_accumulation=1),
        lora=LoRAConfig(r=4, alpha=4),
        seed=0,
    )
    return trained, weak


def test_gold_stands_above_each_wrong_draft_and_the_rest_is_named(tmp_path: Path) -> None:
    trained, weak = tune(tmp_path, 7)
    assert len(weak.requests) == 7
    rows = [json.loads(line) for line in (tmp_path / "annotator/labelled.jsonl").read_text().splitlines()]
    assert rows == [
        {"id": f"sum-{number}", "chosen": f"Answer: {2 * number + 1}", "rejected": "Answer: 0"} for number in (4, 5, 6)
    ]
    left_out = [json.loads(line) for line in (tmp_path / "annotator/untrainable.jsonl").read_text().splitlines()]
    assert {row["id"]: row["reason"] for row in left_out} == {
        "sum-0": "the draft is right",
        "sum-1": "the draft is right",
        "sum-2": "the call for the draft failed",
        "sum-3": "the draft was cut at the token limit",
    }
    assert trained.metrics.num_rows == 3


def test_nothing_wrong_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to train"):
        tune(tmp_path, 2)
