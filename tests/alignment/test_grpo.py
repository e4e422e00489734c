"""GRPO: what a step learns from its own drafts, what it keeps of them, and that a stop pays for nothing twice."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cowest.alignment import AlignConfig
from cowest.bench.paid_calls import paid_calls
from cowest.errors import EndpointError, InputError, TrainingError
from cowest.export.folder import write_folder
from cowest.ledger import Ledger
from cowest.models.providers.scripted import ScriptedModel
from cowest.pipeline import Pipeline
from cowest.planning import make_plan
from cowest.recipe import make_recipe
from cowest.records import FeedbackSummary
from cowest.report.page import render
from cowest.runs import read_jsonl, write_json
from cowest.stages.align import align, lessons_of
from cowest.stages.sft import SFTConfig, sft
from cowest.training import TrainedModel
from cowest.types import ChatRequest, Sampling, Verdict
from tests.alignment.online import SAMPLING, SETTINGS, by_hash, online, run_grpo, solos
from tests.recipes import recipe_of
from tests.training import tiny
from tests.training.stepped import at


def base_that_ends(folder: Path, **settings: Any) -> Path:
    """A sixth of its tokens end a draft, so that few drafts are cut."""
    base = tiny.build(folder, **settings)
    write_json(base / "generation_config.json", {"eos_token_id": [1, *range(100, 143)]})
    return base


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("models")
    base = base_that_ends(folder / "base")
    config = SFTConfig(batch_size=8, gradient_accumulation=1, learning_rate=1e-2)
    return sft(str(base), tiny.examples(8), out=folder / "sft", config=config)


def test_equal_rewards_teach_nothing(start: TrainedModel, tmp_path: Path) -> None:
    """The advantage of equal rewards is 0, and so is the divergence from the start: no weight moves."""
    trained = run_grpo(start, tmp_path / "a", score=lambda text: 7)
    assert trained.metrics.first_loss == trained.metrics.final_loss == 0
    assert tiny.same_weights(tmp_path / "a", str(start.folder))


def test_a_draft_is_refined_judged_and_kept(start: TrainedModel, tmp_path: Path) -> None:
    """Drafts that were cut are not refined; unscored ones have no advantage; calls and drafts are counted."""
    scores: list[str] = []

    def score(text: str) -> int | None:
        scores.append(text)
        return by_hash(text) if len(scores) % 3 else None

    trained = run_grpo(start, tmp_path / "a", score=score).metrics
    steps = list(read_jsonl(tmp_path / "a" / "rollouts.jsonl"))
    drafts = [rollout["graded"] for step in steps for rollout in step["rollouts"]]
    cut = [draft for draft in drafts if draft["draft"]["finish_reason"] == "length"]
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    assert (trained.num_rows, trained.num_steps, trained.num_drafts) == (4, 4, 32) == (4, 4, len(drafts))
    assert 0 < len(cut) == trained.num_drafts_cut < 32
    assert trained.calls == {"strong": 32 - len(cut)}
    assert trained.num_unscored == sum(not number % 3 for number in range(1, 33 - len(cut))) > 0
    assert all(draft["refined"] is None and draft["gain"] is None for draft in cut)
    assert {draft["draft"]["sample_index"] for draft in drafts} == {0, 1, 2, 3}
    assert not tiny.same_weights(tmp_path / "a", str(start.folder))
    assert (trained.method, trained.beta, trained.final.keys()) == (
        "grpo",
        0.04,
        {"rewards/gain/mean", "rewards/gain/std"},
    )


def test_queries_that_fill_no_step_are_listed(start: TrainedModel, tmp_path: Path) -> None:
    trained = run_grpo(start, tmp_path / "a", count=3, epochs=1).metrics
    assert (trained.num_rows, trained.num_steps, trained.num_untrainable) == (2, 1, 1)
    (row,) = read_jsonl(tmp_path / "a" / "untrainable.jsonl")
    assert row["id"] in {"e0", "e1", "e2"}
    assert "takes 2 queries" in row["reason"]
    with pytest.raises(TrainingError, match=r"A step of grpo takes 2 queries, and 1 are there"):
        run_grpo(start, tmp_path / "b", count=1)


def test_queries_that_cannot_be_won_are_left_out() -> None:
    easy, unscored, hard = solos(3)
    given = [
        easy.model_copy(update={"skipped": "solo_perfect"}),
        unscored.model_copy(update={"solo_verdict": Verdict(unscored_reason="no number")}),
        hard,
    ]
    lessons = lessons_of(given, AlignConfig(method="grpo"))
    assert [row.id for row in lessons.rows] == ["e2"]
    assert [row["id"] for row in lessons.left_out] == ["e0", "e1"]


def test_what_is_missing_is_said_before_anything_is_sampled(start: TrainedModel, tmp_path: Path) -> None:
    config = AlignConfig.model_validate(SETTINGS)
    with pytest.raises(InputError, match=r"no models were given.*online="):
        align(start, solos(2), out=tmp_path / "a", config=config)
    for sampling, said in (
        ({"temperature": 0.0, "max_tokens": 9}, "temperature above 0"),
        ({"temperature": 1.0}, "max_tokens"),
        ({"max_tokens": 9, "stop": ("x",)}, "sampling.stop"),
    ):
        models = online(sampling=Sampling.model_validate(sampling))
        with pytest.raises(InputError, match=said):
            align(start, solos(2), out=tmp_path / "a", config=config, online=models)


def test_a_stopped_training_pays_for_no_call_again_and_ends_the_same(start: TrainedModel, tmp_path: Path) -> None:
    """It is stopped at a step after its checkpoint, whose drafts are sampled again."""

    def stop() -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        run_grpo(start, tmp_path / "a", at(3, stop), ledger=tmp_path / "a.sqlite")
    assert len(list(read_jsonl(tmp_path / "a/rollouts.jsonl"))) == 3
    assert_resumes(start, tmp_path, "a", resumed_from=2)


KILLED = """
import os, signal, sys
from pathlib import Path
from cowest.training import TrainedModel
from tests.alignment.online import run_grpo
from tests.training.stepped import at

start, out = sys.argv[1:]
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
run_grpo(TrainedModel.read(start), Path(out) / "a", at(1, kill), ledger=Path(out) / "a.sqlite")
"""


@pytest.mark.slow
def test_a_killed_training_pays_for_no_call_again_and_ends_the_same(start: TrainedModel, tmp_path: Path) -> None:
    """It is killed before its first checkpoint, so that all its drafts are sampled again."""
    command = [sys.executable, "-c", KILLED, str(start.folder), str(tmp_path)]
    paths = os.pathsep.join(path for path in sys.path if path)
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, check=False, timeout=250)
    assert killed.returncode == -signal.SIGKILL
    assert paid(tmp_path / "a.sqlite") > 0
    assert_resumes(start, tmp_path, "a", resumed_from=None)


def assert_resumes(start: TrainedModel, folder: Path, name: str, resumed_from: int | None) -> None:
    whole = run_grpo(start, folder / "whole", ledger=folder / "whole.sqlite").metrics
    resumed = run_grpo(start, folder / name, ledger=folder / f"{name}.sqlite").metrics
    assert resumed.resumed_from_step == resumed_from
    assert (resumed.calls, resumed.usage, resumed.num_drafts) == (whole.calls, whole.usage, whole.num_drafts)
    assert tiny.same_weights(folder / name, folder / "whole")
    assert (folder / name / "rollouts.jsonl").read_text() == (folder / "whole/rollouts.jsonl").read_text()
    assert paid(folder / f"{name}.sqlite") == paid(folder / "whole.sqlite") > 16


def paid(ledger: Path) -> int:
    with closing(Ledger(ledger)) as opened:
        return opened.counts()["strong"]


def assert_closed_after_an_error(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strong model fails at its first call, and is not left open."""
    closed: list[str] = []

    async def close(model: ScriptedModel) -> None:
        closed.append(model.name)

    def gone(request: ChatRequest) -> str:
        raise EndpointError("the endpoint is gone")

    with monkeypatch.context() as patched:
        patched.setattr(ScriptedModel, "close", close)
        patched.setattr("tests.worlds.strong_reply", gone)
        with pytest.raises(EndpointError, match="gone"):
            pipeline.align()
    assert sorted(closed) == ["scripted/tests.worlds:judge_reply", "scripted/tests.worlds:strong_reply"]


def test_a_run_plans_counts_and_shows_the_calls_of_its_alignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_that_ends(tmp_path / "base", positions=2048)
    recipe = make_recipe(
        recipe_of(
            tmp_path / "run",
            weak={"model": f"local/{base}", "sampling": SAMPLING.model_dump(exclude_none=True)},
            sft={"from": str(base)},
            judge={"model": "scripted/tests.worlds:judge_reply"},
            feedback={"kind": "solo", "queries": 5, "skip_settled": False},
            align=SETTINGS,
            lora={"r": 4},
            evaluate={"methods": ["collaborate"], "limit": 2},
        )
    )
    plan = make_plan(Pipeline(recipe))
    planned = {name: {role: spend.calls for role, spend in each.items()} for name, each in plan.high.stages.items()}
    assert planned["feedback, round 1"] == {"strong": 5, "judge": 5}
    assert planned["align, round 1"] == {"strong": 32, "judge": 32}  # four of the queries, in two epochs
    with Pipeline(recipe) as pipeline:
        pipeline.sft()
        pipeline.feedback()
        assert_closed_after_an_error(pipeline, monkeypatch)
        pipeline.train()
        trained = pipeline.context.paid_calls()
        results = pipeline.run()
        before = pipeline.context.paid_calls()
        assert pipeline.run() == results
        assert pipeline.context.paid_calls() == before
    run = tmp_path / "run"
    record = TrainedModel.read(run / "round-1/align").metrics
    feedback = FeedbackSummary.read(run / "round-1/feedback/summary.json")
    assert (record.num_rows, record.num_drafts, record.num_untrainable) == (4, 32, 1)
    assert (feedback.calls, feedback.num_drafts) == ({"weak": 0, "strong": 5, "judge": 5}, 0)
    assert record.calls is not None
    refined, verdicts = record.calls["strong"], record.calls["judge"]
    assert refined == 32 - (record.num_drafts_cut or 0)
    assert 0 < verdicts <= refined  # a text that was judged before is not judged again
    preparation = results.methods["collaborate"].preparation
    assert preparation is not None
    assert preparation.calls == {"weak": 0, "strong": 5 + refined, "judge": 5 + verdicts}
    assert paid_calls(recipe, 1, preparation.calls) == trained
    page = render(run)
    assert "32 drafts sampled" in page
    assert "Feedback and alignment" in page
    files = write_folder(run, tmp_path / "exported")
    assert {file.parent.name for file in files} == {"model"}  # there are no pairs
    card = (tmp_path / "exported/model/README.md").read_text()
    assert f"32 drafts of 4 queries sampled, {record.num_drafts_cut} cut" in card
