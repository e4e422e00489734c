"""A run goes on under another version of the package, unless a template that it used has changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from cowest.bench.seeds import recipes_of_seeds
from cowest.errors import InputError
from cowest.pipeline.provenance import (
    ALIGN_DEPENDENCIES,
    EVALUATION_DEPENDENCIES,
    FEEDBACK_DEPENDENCIES,
    SFT_DEPENDENCIES,
    TRAINING_DEPENDENCIES,
    Provenance,
)
from cowest.prompts import Prompts
from cowest.recipe import make_recipe
from cowest.runs import RunFolder, write_json
from tests.recipes import recipe_of, run

MODEL_JUDGE = {"judge": {"model": "scripted/tests.worlds:judge_reply"}}
UNDECLARED = {"judge": {"name": "tests.pipeline.plain:PlainJudge"}}


def aged(stage: Path, **templates: str | None) -> None:
    """Makes the stage's claim one of a version before: all templates of its time, and the folder's name.

    Args:
        stage: its folder.
        templates: versions of then; None where there was no such template.
    """
    file = stage / "inputs.json"
    inputs = json.loads(file.read_text())
    versions = Prompts().versions() | {"given_up_since": "0123456789ab"} | templates
    inputs["prompt files"] = {name: version for name, version in versions.items() if version is not None}
    write_json(file, {"prompts": None, **inputs})


def test_what_the_judge_does_not_see_is_part_of_what_feedback_depends_on(tmp_path: Path) -> None:
    def inputs(**judge: str) -> Any:
        section = {"judge": {"model": "openai/judge", **judge}}
        recipe = make_recipe(recipe_of(tmp_path / "run") | section)
        return Provenance(recipe, RunFolder(recipe.run), Prompts(), lambda line: None).inputs(FEEDBACK_DEPENDENCIES, ())

    assert "redact" not in inputs().to_json()["judge"]  # as in folders from before
    (change,) = inputs().difference_from(inputs(redact="tests.pipeline.plain:hidden"))
    assert change.startswith("judge.redact: None, now ")


def test_keys_that_save_calls_or_replay_rounds_are_recorded_only_where_they_are_set(tmp_path: Path) -> None:
    """So folders from before these keys existed are still those of their recipe."""

    def inputs(**changes: Any) -> Any:
        recipe = make_recipe(recipe_of(tmp_path / "run", **changes))
        return Provenance(recipe, RunFolder(recipe.run), Prompts(), lambda line: None).inputs(ALIGN_DEPENDENCIES, ())

    assert not {"feedback.drafts", "align.replay"} & inputs().to_json().keys()
    changes = inputs().difference_from(inputs(feedback__drafts="until_pair", align__replay=True))
    assert sorted(change.partition(":")[0] for change in changes) == ["align.replay", "feedback.drafts"]


def test_another_text_of_the_chat_template_is_another_recipe(tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"

    def inputs(text: str | None) -> Any:
        weak = {"model": "local/base"}
        if text is not None:
            template.write_text(text)
            weak["chat_template"] = str(template)
        recipe = make_recipe(recipe_of(tmp_path / "run", weak=weak))
        provenance = Provenance(recipe, RunFolder(recipe.run), Prompts(), lambda line: None)
        return provenance.inputs(SFT_DEPENDENCIES, ())

    assert inputs("{{ messages }}").difference_from(inputs("{{ messages }}")) == []
    (change,) = inputs("{{ messages }}").difference_from(inputs("{{ bos_token }}{{ messages }}"))
    assert change.startswith("weak.chat_template: ")
    earlier = inputs(None).to_json()
    del earlier["weak.chat_template"]
    assert type(inputs(None)).model_validate(earlier).difference_from(inputs(None)) == []


def test_the_options_of_a_program_that_judges_are_its_own(tmp_path: Path) -> None:
    judge = UNDECLARED["judge"] | {"panel": 3, "model": "none"}
    recipe = make_recipe(recipe_of(tmp_path / "run", judge=judge, bench={"seeds": 2}))
    provenance = Provenance(recipe, RunFolder(recipe.run), Prompts(), lambda line: None)
    assert provenance.inputs(FEEDBACK_DEPENDENCIES, ()).to_json()["judge"] == judge
    (second,) = recipes_of_seeds(recipe)
    assert second.judge == recipe.judge


def own_prompts(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_text(text)
    return str(folder)


def test_a_claim_holds_what_the_stage_can_use(tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, "evaluate")
    feedback, evaluate = (
        json.loads((tmp_path / stage / "inputs.json").read_text()) for stage in ("round-1/feedback", "evaluate")
    )
    assert list(feedback["prompt files"]) == ["draft_chain_of_thought", "refine", "solo_chain_of_thought"]
    assert list(evaluate["prompt files"]) == [*feedback["prompt files"], "solo_direct"]
    assert "prompts" not in feedback


def test_a_run_of_an_older_version_is_accepted(tmp_path: Path) -> None:
    run(tmp_path, **MODEL_JUDGE)
    run(tmp_path, "evaluate", **MODEL_JUDGE)
    for stage in ("round-1/feedback", "evaluate"):
        aged(tmp_path / stage, flare=None, super_icl="ba9876543210")
    before = (tmp_path / "round-1/feedback/inputs.json").read_bytes()
    assert run(tmp_path, **MODEL_JUDGE) == ["feedback, round 1: done before"]
    assert run(tmp_path, "evaluate", **MODEL_JUDGE) == ["evaluate: done before"]
    assert (tmp_path / "round-1/feedback/inputs.json").read_bytes() == before


@pytest.mark.parametrize("version", ["ba9876543210", None])
def test_a_used_template_that_changed_is_refused_by_name(version: str | None, tmp_path: Path) -> None:
    run(tmp_path, **MODEL_JUDGE)
    aged(tmp_path / "round-1/feedback", judge=version)
    with pytest.raises(
        InputError, match=rf"the prompt template 'judge' \({version or 'none'}, now .*run=.*`prompts` names: judge"
    ):
        run(tmp_path, **MODEL_JUDGE)


def test_with_the_old_text_an_old_run_goes_on(tmp_path: Path) -> None:
    old = own_prompts(tmp_path / "old", "refine", "{{ query }} {{ draft }}")
    run(tmp_path / "run", prompts=old)
    with pytest.raises(InputError, match="'refine'"):
        run(tmp_path / "run")
    again = own_prompts(tmp_path / "elsewhere", "refine", "{{ query }} {{ draft }}")
    assert run(tmp_path / "run", prompts=again) == ["feedback, round 1: done before"]


def test_a_template_that_the_stage_does_not_use_may_change(tmp_path: Path) -> None:
    run(tmp_path / "run")
    run(tmp_path / "run", "evaluate")
    mine = own_prompts(tmp_path / "mine", "judge", "{{ reference }} {{ output }} {{ mark }}")
    assert run(tmp_path / "run", prompts=mine) == ["feedback, round 1: done before"]
    own_prompts(tmp_path / "mine", "solo_direct", "{{ query }}")
    assert run(tmp_path / "run", prompts=mine) == ["feedback, round 1: done before"]
    with pytest.raises(InputError, match="solo_direct"):
        run(tmp_path / "run", "evaluate", prompts=mine)


def test_where_nothing_is_declared_every_template_counts_that_there_was(tmp_path: Path) -> None:
    run(tmp_path / "run", **UNDECLARED)
    aged(tmp_path / "run/round-1/feedback", flare=None)
    assert run(tmp_path / "run", **UNDECLARED) == ["feedback, round 1: done before"]
    aged(tmp_path / "run/round-1/feedback", refine=None)
    with pytest.raises(InputError, match="'refine'"):
        run(tmp_path / "run", **UNDECLARED)
    aged(tmp_path / "run/round-1/feedback")
    mine = own_prompts(tmp_path / "mine", "flare", "{{ query }} {{ passages }} {{ written }}")
    with pytest.raises(InputError, match="'flare'"):
        run(tmp_path / "run", prompts=mine, **UNDECLARED)


@pytest.mark.parametrize("rests", [SFT_DEPENDENCIES, FEEDBACK_DEPENDENCIES, ALIGN_DEPENDENCIES])
def test_every_stage_is_claimed_and_gone_on_from_by_its_own_templates(rests: Any, tmp_path: Path) -> None:
    def provenance(prompts: str | None = None) -> Provenance:
        recipe = make_recipe(recipe_of(tmp_path, **MODEL_JUDGE))
        return Provenance(recipe, RunFolder(tmp_path), Prompts(prompts), lambda line: None)

    stage = tmp_path / "stage"
    assert not provenance().is_done("stage", stage, rests, (), marker="done")
    aged(stage, super_icl_override=None)
    provenance().require_same_recipe("stage", stage, rests)
    provenance().require_same_recipe("stage", stage, TRAINING_DEPENDENCIES)
    judging = own_prompts(tmp_path / "judging", "judge", "{{ reference }} {{ output }} {{ mark }}")
    if rests is SFT_DEPENDENCIES:
        provenance(judging).require_same_recipe("stage", stage, rests)
    else:
        with pytest.raises(InputError, match="'judge'"):
            provenance(judging).require_same_recipe("stage", stage, rests)
    provenance(judging).require_same_recipe("stage", stage, TRAINING_DEPENDENCIES)
    drafting = own_prompts(tmp_path / "drafting", "draft_chain_of_thought", "{{ query }}")
    for each in (rests, TRAINING_DEPENDENCIES):
        with pytest.raises(InputError, match="'draft_chain_of_thought'"):
            provenance(drafting).require_same_recipe("stage", stage, each)
    assert not provenance().is_made_from(
        stage, EVALUATION_DEPENDENCIES, provenance().inputs(EVALUATION_DEPENDENCIES, ())
    )
