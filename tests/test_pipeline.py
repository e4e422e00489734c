"""The pipeline in its folder: skipping, binding folders to a recipe, refusing, and what it says."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from cowest import runs
from cowest.errors import EndpointError, InputError
from cowest.models.providers.local import LocalModel
from cowest.models.providers.scripted import ScriptedModel
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.records import EvaluationResults
from cowest.report import collect
from cowest.training import TrainedModel
from cowest.types import ChatRequest, Completion
from tests.recipes import paid_calls, recipe_of, run
from tests.training import tiny


def test_a_weak_model_on_a_server_takes_part_in_feedback_and_evaluation(tmp_path: Path) -> None:
    assert run(tmp_path) == ["feedback, round 1"]
    assert run(tmp_path, "evaluate") == ["evaluate"]
    results = json.loads((tmp_path / "evaluate/results.json").read_text())
    assert list(results["methods"]) == ["weak_only", "strong_only", "strong_only_direct", "collaborate_served"]
    summary = json.loads((tmp_path / "round-1/feedback/summary.json").read_text())
    assert summary["num_examples"] == 10


def test_a_run_with_a_weak_model_on_a_server_says_that_nothing_is_trained(tmp_path: Path) -> None:
    said = run(tmp_path, "run", rounds=2)
    assert said[0].startswith("sft, align: nothing is trained, since scripted/tests.worlds:weak_reply is on a server")
    assert said[1:] == ["feedback, round 1", "evaluate"], "another round would gather the same feedback again"
    results = json.loads((tmp_path / "evaluate/results.json").read_text())
    assert {row["round"] for row in results["methods"].values()} == {None}
    assert results["comparisons"][0]["a"] == "collaborate_served"


def test_what_is_done_is_skipped(tmp_path: Path) -> None:
    run(tmp_path)
    pairs = (tmp_path / "round-1/feedback/pairs.jsonl").stat().st_mtime_ns
    assert run(tmp_path) == ["feedback, round 1: done before"]
    assert (tmp_path / "round-1/feedback/pairs.jsonl").stat().st_mtime_ns == pairs
    run(tmp_path, "evaluate")
    assert run(tmp_path, "evaluate") == ["evaluate: done before"]


def test_a_pipeline_may_be_entered_again_as_the_cells_of_a_notebook_do(tmp_path: Path) -> None:
    pipeline = Pipeline(make_recipe(recipe_of(tmp_path)))
    with pipeline:
        pipeline.feedback(1)
    paid = paid_calls(tmp_path)
    with pipeline:
        assert pipeline.evaluate().num_examples == 12
    assert paid_calls(tmp_path) > paid
    with pipeline:
        assert pipeline.evaluate().num_examples == 12


def evaluated(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_finished_results_of_other_settings_are_replaced_only_by_force(tmp_path: Path) -> None:
    run(tmp_path, "evaluate")
    before, recipe = evaluated(tmp_path / "evaluate"), (tmp_path / "recipe.yaml").read_bytes()
    with pytest.raises(InputError, match=r"evaluate\.limit: None, now 5.*--force"):
        run(tmp_path, "evaluate", evaluate__limit=5)
    with pytest.raises(InputError, match=r"evaluate\.limit: None, now 5.*--force"):
        run(tmp_path, "run", evaluate__limit=5)
    assert evaluated(tmp_path / "evaluate") == before
    assert (tmp_path / "recipe.yaml").read_bytes() == recipe
    assert run(tmp_path, "evaluate", force=True, evaluate__limit=5, evaluate__methods=["strong_only"]) == ["evaluate"]
    assert json.loads((tmp_path / "evaluate/results.json").read_text())["num_examples"] == 5
    names = {path.name for path in (tmp_path / "evaluate/predictions").iterdir()}
    assert "strong_only.jsonl" in names
    assert "collaborate_served.jsonl" not in names
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".evaluate")] == []


def test_an_interrupted_evaluation_keeps_the_results_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "evaluate")
    before, recipe = evaluated(tmp_path / "evaluate"), (tmp_path / "recipe.yaml").read_bytes()
    replies = []

    def interrupted(request: ChatRequest) -> str:
        replies.append(request)
        if len(replies) > 3:
            raise KeyboardInterrupt
        return "5"

    monkeypatch.setattr("tests.worlds.strong_reply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "evaluate", force=True, seed=0, strong__sampling={"temperature": 0.5})
    assert evaluated(tmp_path / "evaluate") == before
    assert (tmp_path / "recipe.yaml").read_bytes() == recipe
    assert run(tmp_path, "evaluate") == ["evaluate: done before"]


def test_a_kill_while_results_are_exchanged_loses_none(tmp_path: Path) -> None:
    """The moment between the two renames: the old folder has its other name, the new one not yet its own."""
    run(tmp_path, "evaluate")
    before = evaluated(tmp_path / "evaluate")
    (tmp_path / "evaluate").rename(tmp_path / ".evaluate-old")
    (tmp_path / ".evaluate-new").mkdir()
    other = Pipeline(make_recipe(recipe_of(tmp_path, evaluate={"limit": 5})))
    with pytest.raises(InputError, match=r"evaluate\.limit: None, now 5.*--force"):
        other.check_results()  # before any work; a bench asks it without the run's lock, so nothing may move
    assert not (tmp_path / "evaluate").exists()
    assert run(tmp_path, "evaluate") == ["evaluate: done before"]
    assert evaluated(tmp_path / "evaluate") == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"feedback__samples": 3}, r"feedback\.samples: 5, now 3"),
        ({"seed": 1}, "seed: 0, now 1"),
        ({"strong__sampling": {"temperature": 0.5}}, r"strong\.sampling\.temperature: 1\.0, now 0\.5"),
        ({"task__train": "21"}, "task.train: '20', now '21'"),
    ],
)
def test_a_folder_of_another_recipe_is_refused_and_left_alone(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    run(tmp_path)
    before = (tmp_path / "round-1/feedback/pairs.jsonl").read_bytes()
    with pytest.raises(InputError, match=rf"belongs to another recipe.*{named}"):
        run(tmp_path, **change)
    assert (tmp_path / "round-1/feedback/pairs.jsonl").read_bytes() == before


def test_limits_may_change_between_calls(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, strong__max_concurrency=3, strong__timeout_s=7) == ["feedback, round 1: done before"]


def test_the_limits_of_a_judge_may_change_too(tmp_path: Path) -> None:
    judge = {"model": "scripted/tests.worlds:judge_reply", "sampling": {"temperature": 1.0}, "repeats": 2}
    assert run(tmp_path, judge=judge | {"budget_usd": 1.0}) == ["feedback, round 1"]
    assert run(tmp_path, judge=judge | {"budget_usd": 2.0}) == ["feedback, round 1: done before"]
    with pytest.raises(InputError, match=r"judge\.repeats: 2, now 3"):
        run(tmp_path, judge=judge | {"repeats": 3})
    assert json.loads((tmp_path / "round-1/feedback/summary.json").read_text())["calls"]["judge"] % 2 == 0


LABELLER = {"model": "scripted/tests.worlds:vote_reply", "sampling": {"max_tokens": 5}}


def test_a_labeller_compares_and_is_claimed_where_drafts_are_compared(tmp_path: Path) -> None:
    rlaif = {"kind": "rlaif", "queries": 10}
    assert run(tmp_path, feedback=rlaif | {"labeller": LABELLER}) == ["feedback, round 1"]
    summary = json.loads((tmp_path / "round-1/feedback/summary.json").read_text())
    assert summary["calls"]["labeller"] > 0 == summary["calls"]["strong"]
    assert summary["num_pairs"] > 0 == summary["num_unscored"]
    limits = {"max_concurrency": 3, "budget_usd": 2.0}
    assert run(tmp_path, feedback=rlaif | {"labeller": LABELLER | limits}) == ["feedback, round 1: done before"]
    with pytest.raises(InputError, match=r"feedback\.labeller\.sampling\.max_tokens: 5, now 6"):
        run(tmp_path, feedback=rlaif | {"labeller": LABELLER | {"sampling": {"max_tokens": 6}}})
    with pytest.raises(InputError, match=r"feedback\.labeller: .*, now None"):
        run(tmp_path, feedback=rlaif)


def test_a_labeller_is_nothing_to_the_other_kinds(tmp_path: Path) -> None:
    run(tmp_path)
    with_one = {"queries": 10, "labeller": LABELLER}
    assert run(tmp_path, feedback=with_one) == ["feedback, round 1: done before"]
    run(tmp_path / "fresh", feedback=with_one)
    assert "labeller" not in json.loads((tmp_path / "fresh/round-1/feedback/summary.json").read_text())["calls"]


def test_a_labeller_that_is_not_there_is_named_before_any_work(tmp_path: Path) -> None:
    nobody = {"kind": "rlaif", "queries": 10, "labeller": {"model": "scripted/tests.worlds:nobody"}}
    with (
        Pipeline(make_recipe(recipe_of(tmp_path, feedback=nobody))) as pipeline,
        pytest.raises(InputError, match="nobody"),
    ):
        pipeline.check()


def test_another_recipe_shares_the_calls_of_the_first(tmp_path: Path) -> None:
    shared = str(tmp_path / "shared.sqlite")
    run(tmp_path / "one", ledger=shared)
    run(tmp_path / "two", ledger=shared)
    run(tmp_path / "more", ledger=shared, feedback__samples=8)
    alone = tmp_path / "alone"
    run(alone, feedback__samples=8)
    name = "round-1/feedback/pairs.jsonl"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "more" / name).read_bytes() == (alone / name).read_bytes()
    assert paid_calls(tmp_path / "two") == 0
    num_replies = collect(tmp_path / "one").shared_ledger.num_replies
    assert paid_calls(tmp_path / "one") + paid_calls(tmp_path / "more") == num_replies
    assert 0 < paid_calls(tmp_path / "more") < paid_calls(alone)
    assert collect(alone).shared_ledger is None
    assert (tmp_path / "two/ledger.sqlite").resolve() == Path(shared).resolve()


def test_the_first_runs_own_ledger_can_be_shared(tmp_path: Path) -> None:
    run(tmp_path / "one")
    before = paid_calls(tmp_path / "one")
    run(tmp_path / "two", ledger=str(tmp_path / "one/ledger.sqlite"))
    assert (paid_calls(tmp_path / "one"), paid_calls(tmp_path / "two")) == (before, 0)


def test_a_run_that_would_forget_its_ledger_is_refused(tmp_path: Path) -> None:
    shared, other = str(tmp_path / "shared.sqlite"), str(tmp_path / "other.sqlite")
    for first, second in ((None, shared), (shared, None), (shared, other)):
        folder = tmp_path / f"{first} {second}".replace("/", "-")
        run(folder, ledger=first)
        with pytest.raises(InputError, match=r"would be paid for again.*ledger="):
            run(folder, ledger=second, evaluate__limit=3, stage="evaluate")
        assert run(folder, ledger=first) == ["feedback, round 1: done before"]


def test_a_shared_ledger_that_was_moved_is_found_by_the_recipe(tmp_path: Path) -> None:
    shared, moved = tmp_path / "shared.sqlite", tmp_path / "moved.sqlite"
    run(tmp_path / "run", ledger=str(shared))
    before = paid_calls(tmp_path / "run")
    shared.rename(moved)
    assert "does not exist" in " ".join(collect(tmp_path / "run").unreadable)
    run(tmp_path / "run", "evaluate", ledger=str(moved))
    assert paid_calls(tmp_path / "run") > before


def test_a_ledger_on_a_network_file_system_is_spoken_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.pipeline.models.network_file_system", lambda path: "nfs4")
    said = run(tmp_path)
    assert any("network file system (nfs4)" in line and "ledger=PATH" in line for line in said)


def test_the_null_control_is_spoken_of(tmp_path: Path) -> None:
    said = run(tmp_path, feedback__null_control=10)
    (line,) = [line for line in said if "null control" in line]
    assert line.startswith("feedback, round 1, null control: ")
    assert "cannot be told from chance" in line


def test_a_drawn_sample_is_evaluated(tmp_path: Path) -> None:
    run(tmp_path, "evaluate", evaluate__sample=5)
    assert EvaluationResults.read(tmp_path / "evaluate" / "results.json").num_examples == 5


def test_pairs_that_prefer_one_label_are_spoken_of(tmp_path: Path) -> None:
    """The strong model alone says even, so only where odd is right is there a draft that helps."""
    models = {"weak__model": "scripted/tests.worlds:coin_reply", "strong__model": "scripted/tests.worlds:even_reply"}
    task = {"name": "tests.worlds:Parity", "train": "40", "test": "12", "overlap": "keep"}
    said = run(tmp_path / "parity", task=task, feedback__queries=40, **models)
    (line,) = [line for line in said if "preferred" in line]
    assert '100.0% of the preferred drafts say "odd" and 0.0% of the rejected' in line
    assert not [line for line in run(tmp_path / "sums") if "preferred" in line]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    recipe = make_recipe(recipe_of(tmp_path))
    with Pipeline(recipe), pytest.raises(InputError, match="Another process is using"), Pipeline(recipe):
        pass


def test_training_needs_weights(tmp_path: Path) -> None:
    with Pipeline(make_recipe(recipe_of(tmp_path))) as pipeline, pytest.raises(InputError, match="trains the weak"):
        pipeline.sft()


def test_a_stage_before_its_predecessor_says_what_to_run(tmp_path: Path) -> None:
    changes = {"weak__model": f"local/{tmp_path}"}
    with Pipeline(make_recipe(recipe_of(tmp_path / "run", **changes))) as pipeline:
        with pytest.raises(InputError, match="cowest sft"):
            pipeline.feedback(1)
        with pytest.raises(InputError, match="cowest feedback"):
            pipeline.align(1)


def test_the_saved_recipe_names_the_version_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "CANARY-KEY")
    run(tmp_path)
    run(tmp_path, "evaluate")
    assert "cowest_version" in (tmp_path / "recipe.yaml").read_text()
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"CANARY-KEY" not in file.read_bytes()


def test_the_ledger_makes_a_second_evaluation_free(tmp_path: Path) -> None:
    run(tmp_path, "evaluate")
    with Pipeline(make_recipe(recipe_of(tmp_path, evaluate__limit=5))) as pipeline:
        before = pipeline.context.ledger.counts()
        pipeline.evaluate(force=True)
        assert pipeline.context.ledger.counts() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"evaluate__methods": ["weakonly"]}, "Did you mean 'weak_only'"),
        ({"evaluate__methods": []}, "evaluate.methods is empty"),
        ({"feedback__kind": "colaborative"}, "Did you mean 'collaborative'"),
        ({"format": "cot"}, "no format named 'cot'"),
        ({"judge": {"name": "nope"}}, "no judge named 'nope'"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_touched(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    for stage in ("feedback", "evaluate"):
        with pytest.raises(InputError, match=said):
            run(tmp_path / "run", stage, **change)
    assert not (tmp_path / "run").exists()


def test_a_recipe_can_be_mended_after_it_was_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no 'nope'"):
        run(tmp_path, strong__model="scripted/tests.worlds:nope")
    assert run(tmp_path) == ["feedback, round 1"]


def test_wrong_input_does_not_cost_the_results_that_are_there(tmp_path: Path) -> None:
    run(tmp_path, "evaluate")
    before = (tmp_path / "evaluate/results.json").read_bytes()
    with pytest.raises(InputError, match="no 'nope'"):
        run(tmp_path, "evaluate", force=True, strong__model="scripted/tests.worlds:nope")
    assert (tmp_path / "evaluate/results.json").read_bytes() == before


@pytest.mark.parametrize("stage", ["feedback", "align"])
@pytest.mark.parametrize("number", [0, 3])
def test_a_round_that_the_recipe_does_not_have_is_refused(tmp_path: Path, stage: str, number: int) -> None:
    with Pipeline(make_recipe(recipe_of(tmp_path / "run", rounds=2))) as pipeline:
        with pytest.raises(InputError, match=rf"{stage} is asked for round {number}, but the recipe has 2 rounds"):
            getattr(pipeline, stage)(number)
        assert pipeline.context.ledger.counts() == {}


@pytest.mark.parametrize(("stage", "count"), [("feedback", 3), ("evaluate", 2)])
@pytest.mark.parametrize("error", [None, EndpointError("gone"), KeyboardInterrupt()])
def test_models_of_a_stage_are_closed_also_where_an_error_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, stage: str, count: int
) -> None:
    """After Ctrl-C the process ends, which need not wait for the step that a local model is at."""
    models: list[ScriptedModel] = []

    def opened(model: ScriptedModel, *given: Any, **named: Any) -> None:
        models.append(model)
        make(model, *given, **named)

    def reply(request: ChatRequest) -> str:
        if error is not None:
            raise error
        return "7"

    make = ScriptedModel.__init__
    monkeypatch.setattr(ScriptedModel, "__init__", opened)
    monkeypatch.setattr("tests.worlds.strong_reply", reply)
    expected = contextlib.nullcontext() if error is None else pytest.raises(type(error))
    with expected:
        run(
            tmp_path, stage, judge={"model": "scripted/tests.worlds:judge_reply"}, evaluate={"methods": ["strong_only"]}
        )
    assert len(models) == count
    assert sum(model.closed for model in models) == (0 if isinstance(error, KeyboardInterrupt) else count)


def test_the_model_that_drafts_for_the_annotator_is_closed_where_an_error_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, closed = tiny.build(tmp_path / "base"), list[str]()

    async def close(model: LocalModel) -> None:
        closed.append(model.name)

    async def complete(model: LocalModel, request: ChatRequest) -> Completion:
        raise EndpointError("gone")

    changes = {"weak__model": f"local/{base}", "sft__from": str(base), "feedback__kind": "rlwf"}
    with Pipeline(make_recipe(recipe_of(tmp_path / "run", **changes))) as pipeline:
        pipeline.sft()
        monkeypatch.setattr(LocalModel, "close", close)
        monkeypatch.setattr(LocalModel, "complete", complete)
        with pytest.raises(EndpointError, match="gone"):
            pipeline.feedback(1)
    assert closed == [f"local/{base}"]


def test_without_a_pair_there_is_nothing_to_align(tmp_path: Path) -> None:
    (tmp_path / "round-1/feedback").mkdir(parents=True)
    (tmp_path / "round-1/feedback/pairs.jsonl").write_text("")
    recipe = make_recipe(recipe_of(tmp_path, weak__model=f"local/{tmp_path}"))
    with Pipeline(recipe) as pipeline, pytest.raises(InputError, match="Round 1 gave no pair"):
        pipeline.align(1)


@pytest.mark.parametrize("method", ["kto", "rft"])
def test_a_round_is_learned_from_by_single_drafts(tmp_path: Path, method: str) -> None:
    base = tiny.build(tmp_path / "base")
    feedback = tmp_path / "run/round-1/feedback"
    feedback.mkdir(parents=True)
    (feedback / "pairs.jsonl").write_text("")  # no query has both signs, which only pairs need
    one_sided = [row.model_copy(update={"drafts": row.drafts[i % 2 * 2 :][:2]}) for i, row in enumerate(tiny.graded(4))]
    runs.write_jsonl(feedback / "graded.jsonl", one_sided)
    changes = {"weak__model": f"local/{base}", "sft__from": str(base), "align__method": method, "lora__r": 4}
    said: list[str] = []
    with Pipeline(make_recipe(recipe_of(tmp_path / "run", **changes)), say=said.append) as pipeline:
        pipeline.sft()
        pipeline.align(1)
        pipeline.align(1)
    assert said[1:] == ["align, round 1", "align, round 1: done before"]
    record = TrainedModel.read(tmp_path / "run/round-1/align").metrics
    # Of two queries the two drafts that helped; of the others the one that did not and was whole.
    assert (record.method, record.num_rows, record.num_untrainable) == (method, 2 if method == "rft" else 6, 2)
    for rows, said_of_them in ((one_sided[:2], "other pairs"), (one_sided[1:2], "Round 1 gave no draft to learn from")):
        runs.write_jsonl(feedback / "graded.jsonl", rows)
        with Pipeline(make_recipe(recipe_of(tmp_path / "run", **changes))) as pipeline:  # noqa: SIM117
            with pytest.raises(InputError, match=said_of_them):
                pipeline.align(1)


def corpus_of(folder: Path, text: str = "What is 3 plus 4?") -> str:
    file = folder.parent / "corpus.jsonl"
    file.write_text(json.dumps({"text": text}) + "\n")
    return str(file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"evaluate__methods": ["skr"]}, "names no corpus"),
        ({"evaluate__methods": ["super_icl"]}, "queries_from: held_back"),
        ({"evaluate__methods": ["flare"], "retrieval__corpus": "nowhere.jsonl"}, "'nowhere.jsonl' does not exist"),
        (
            {"evaluate__methods": ["flare"], "strong__model": "openai/x", "strong__base_url": "http://127.0.0.1:9/v1"},
            r"strong\.options: \{logprobs: true\}",
        ),
    ],
)
def test_a_method_that_cannot_work_is_refused_before_anything_is_paid_calls(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with Pipeline(make_recipe(recipe_of(tmp_path / "run", **change))) as pipeline:
        with pytest.raises(InputError, match=said):
            pipeline.check()
        with pytest.raises(InputError, match=said):
            pipeline.evaluate()
        assert pipeline.context.ledger.counts() == {}


def test_another_corpus_gives_other_results(tmp_path: Path) -> None:
    changes = {"evaluate__methods": ["skr"], "retrieval__corpus": corpus_of(tmp_path / "run")}
    assert run(tmp_path / "run", "evaluate", **changes) == ["evaluate"]
    assert run(tmp_path / "run", "evaluate", **changes) == ["evaluate: done before"]
    corpus_of(tmp_path / "run", "What is 4 plus 5?")
    with pytest.raises(InputError, match="other corpus"):
        run(tmp_path / "run", "evaluate", **changes)
    assert run(tmp_path / "run", "evaluate", force=True, **changes) == ["evaluate"]


def unseen(folder: Path, **changes: Any) -> tuple[set[str], set[str]]:
    """The ids that the weak model was not trained on by the recipe's word, and those that SFT takes."""
    pipeline = Pipeline(make_recipe(recipe_of(folder, **changes)))
    return {each.id for each in pipeline.context.data.unseen()}, {each.id for each in pipeline.context.data.sft()}


def test_predictions_are_shown_on_rows_only_that_the_weak_model_was_not_trained_on(tmp_path: Path) -> None:
    kept_back, trained = unseen(tmp_path, feedback__queries_from="held_back")
    assert len(kept_back) == 10
    assert not kept_back & trained
    of_validation, _ = unseen(tmp_path, task__validation="24")
    assert of_validation == {f"sum-{index}" for index in range(20, 24)}  # the others stand in the training split too
    assert unseen(tmp_path)[0] == set()
    assert unseen(tmp_path, task__validation="24", evaluate__split="validation")[0] == set()
    assert unseen(tmp_path, feedback__queries_from="held_back", evaluate__split="train")[0] == set()


def test_rows_can_be_kept_out_of_sft_for_demonstrations_alone(tmp_path: Path) -> None:
    everything = {f"sum-{index}" for index in range(20)}
    kept_back, trained = unseen(tmp_path, sft__held_back=4)
    assert len(kept_back) == 4
    assert trained == everything - kept_back
    with_validation, _ = unseen(tmp_path, sft__held_back=4, task__validation="24")
    assert with_validation == kept_back
    assert unseen(tmp_path, sft__held_back=4, seed=1)[0] != kept_back
    # The queries of feedback are still drawn from all rows, as the paper draws them.
    pipeline = Pipeline(make_recipe(recipe_of(tmp_path, sft__held_back=4)))
    assert {each.id for each in pipeline.context.data.feedback()} == everything
    with pytest.raises(InputError, match=r"sft\.held_back is 20, but SFT has only 20 rows"):
        unseen(tmp_path, sft__held_back=20)


@pytest.mark.parametrize("change", [{"sft__held_back": 4}, {"feedback__queries_from": "held_back"}])
def test_rows_of_one_group_are_on_one_side_of_sft(tmp_path: Path, change: dict[str, Any]) -> None:
    rows = [{"id": f"{n}", "question": f"What is {n}?", "answer": f"{n}", "table": f"{n // 4}"} for n in range(24)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"name": "jsonl", "train": str(file), "test": str(file), "overlap": "keep"}
    columns = {"question": "question", "answer": "answer", "id": "id", "group": "table"}
    pipeline = Pipeline(make_recipe(recipe_of(tmp_path / "run", task=task | columns, **change)))
    trained = {each.id for each in pipeline.context.data.sft()}
    assert 0 < len(trained) < 24
    assert all(len({f"{n}" in trained for n in range(table * 4, table * 4 + 4)}) == 1 for table in range(6))


@pytest.mark.parametrize(
    ("given", "stages"),
    [
        (None, ["sft", "base", "round_1"]),
        ("local/some-org/some-medical-8b", ["sft", "base", "round_1"]),
        ("some-org/some-medical-8b", ["sft", "base", "round_1"]),
        ("some-org/some-8b", ["sft", "round_1"]),  # one and the same model: there is none before it
    ],
)
def test_the_model_before_sft_is_measured_also_where_another_stands_in_for_sft(
    tmp_path: Path, given: str | None, stages: list[str]
) -> None:
    recipe = make_recipe(recipe_of(tmp_path, weak={"model": "local/some-org/some-8b"}, sft={"from": given}))
    assert Pipeline(recipe).context.weak.stage_names() == stages


def test_settings_of_methods_are_checked_with_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"evaluate\.settings\.flair"):
        make_recipe(recipe_of(tmp_path, evaluate__settings={"flair": {}}))
    with pytest.raises(InputError, match=r"evaluate\.settings\.self_refine\.rounds"):
        make_recipe(recipe_of(tmp_path, evaluate__settings={"self_refine": {"rounds": 0}}))
    recipe = make_recipe(recipe_of(tmp_path, evaluate__settings={"flare": {"sure_above": 0.9}}))
    assert (recipe.evaluate.settings.flare.sure_above, recipe.evaluate.settings.flare.masked_up_to) == (0.9, 0.4)
