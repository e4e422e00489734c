"""align.replay: a round learns from the feedback of the rounds before it too, and its folder depends on them."""

from pathlib import Path

import pytest

from cowest import runs
from cowest.errors import InputError
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.records import TrainingRecord
from cowest.training import TrainedModel
from tests.recipes import recipe_of
from tests.training import tiny


def pipeline_of(folder: Path, base: Path, **align: object) -> Pipeline:
    """Three pairs in round 1, and two others in round 2."""
    pairs = tiny.pairs(5)
    for number, rows in ((1, pairs[:3]), (2, pairs[3:])):
        (folder / f"round-{number}/feedback").mkdir(parents=True, exist_ok=True)
        runs.write_jsonl(folder / f"round-{number}/feedback/pairs.jsonl", rows)
    section = {"batch_size": 1, "gradient_accumulation": 1, "learning_rate": 1e-3} | align
    changes = {"weak__model": f"local/{base}", "sft__from": str(base), "lora__r": 4, "rounds": 2, "align": section}
    return Pipeline(make_recipe(recipe_of(folder, **changes)))


def aligned(pipeline: Pipeline) -> list[TrainingRecord]:
    with pipeline:
        pipeline.sft()
        for number in (1, 2):
            pipeline.align(number)
    return [TrainedModel.read(pipeline.folder.align(number)).metrics for number in (1, 2)]


def test_a_round_learns_from_those_before_it_and_only_where_the_recipe_says_so(tmp_path: Path) -> None:
    base, without, with_replay = tiny.build(tmp_path / "base"), tmp_path / "without", tmp_path / "with"
    assert [each.num_rows for each in aligned(pipeline_of(without, base))] == [3, 2]
    assert [each.num_rows for each in aligned(pipeline_of(with_replay, base, replay=True))] == [3, 5]
    assert tiny.same_weights(without / "round-1/align", with_replay / "round-1/align")
    assert not tiny.same_weights(without / "round-2/align", with_replay / "round-2/align")
    assert "replay" not in (without / "round-2/align/inputs.json").read_text()
    pipeline = pipeline_of(with_replay, base, replay=True)
    runs.write_jsonl(with_replay / "round-1/feedback/pairs.jsonl", tiny.pairs(2))
    with pipeline, pytest.raises(InputError, match="other pairs"):
        pipeline.align(2)
    (with_replay / "round-1/feedback/pairs.jsonl").unlink()
    with pipeline, pytest.raises(InputError, match=r"align.replay learns.*round-1/feedback/pairs.jsonl' is missing"):
        pipeline.align(2)


def test_a_round_that_adds_nothing_is_not_learned_from_again(tmp_path: Path) -> None:
    base = tiny.build(tmp_path / "base")
    pipeline = pipeline_of(tmp_path / "run", base, method="rft", replay=True)
    one_sided = [row.model_copy(update={"drafts": row.drafts[2:]}) for row in tiny.graded(3)]
    for number, rows in ((1, tiny.graded(3)), (2, one_sided)):
        runs.write_jsonl(pipeline.folder.feedback(number) / "graded.jsonl", rows)
    with pipeline:
        pipeline.sft()
        pipeline.align(1)
        with pytest.raises(InputError, match="Round 2 gave no draft to learn from"):
            pipeline.align(2)
