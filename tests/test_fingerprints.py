"""A stage's folder belongs to what it was made from."""

from pathlib import Path

import pytest

from cowest import fingerprints
from cowest.errors import EndpointError, InputError, TrainingError
from cowest.prompts import Prompts
from cowest.records import StageInputs
from tests.worlds import sums

RECIPE = {"seed": 0, "weak": {"model": "local/x", "sampling": {"temperature": 1.0}}}


def inputs(recipe: dict[str, object] = RECIPE, count: int = 3, prompts: Prompts | None = None) -> StageInputs:
    return fingerprints.inputs_of(recipe, ["seed", "weak.sampling"], sums(count), prompts or Prompts())


def test_the_first_claims_and_the_same_goes_on(tmp_path: Path) -> None:
    assert fingerprints.stamp("feedback", tmp_path / "out", inputs())
    assert not fingerprints.stamp("feedback", tmp_path / "out", inputs())


def test_every_difference_is_named(tmp_path: Path) -> None:
    fingerprints.stamp("feedback", tmp_path, inputs())
    other = {"seed": 1, "weak": {"model": "local/y", "sampling": {"temperature": 0.5}}}
    with pytest.raises(InputError, match=r"seed: 0, now 1; weak\.sampling\.temperature: 1\.0, now 0\.5"):
        fingerprints.stamp("feedback", tmp_path, inputs(other))
    with pytest.raises(InputError, match="other examples"):
        fingerprints.stamp("feedback", tmp_path, inputs(count=4))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/judge.txt").write_text("{{ reference }} {{ output }}")
    with pytest.raises(InputError, match=r"prompt template 'judge'.*judge\.txt"):
        fingerprints.stamp("feedback", tmp_path, inputs(prompts=Prompts(tmp_path / "mine")))


def test_what_the_stage_does_not_depend_on_may_change(tmp_path: Path) -> None:
    fingerprints.stamp("feedback", tmp_path, inputs())
    renamed = {"seed": 0, "weak": {"model": "local/y", "sampling": {"temperature": 1.0}}}
    assert not fingerprints.stamp("feedback", tmp_path, inputs(renamed))


def test_a_later_stage_asks_only_about_its_keys(tmp_path: Path) -> None:
    fingerprints.stamp("sft", tmp_path, inputs())
    fingerprints.verify("sft", tmp_path, StageInputs(seed=0))
    fingerprints.verify("sft", tmp_path / "none", StageInputs(seed=1))
    with pytest.raises(InputError, match=r"stage 'sft'.* seed: 0, now 1"):
        fingerprints.verify("sft", tmp_path, StageInputs(seed=1))


@pytest.mark.parametrize("failure", [InputError("x"), TrainingError("x")])
def test_what_was_refused_before_it_began_may_be_mended(tmp_path: Path, failure: Exception) -> None:
    fingerprints.stamp("sft", tmp_path, inputs())
    with pytest.raises(type(failure)), fingerprints.released_if_refused(tmp_path):
        raise failure
    assert fingerprints.stamp("sft", tmp_path, inputs(count=4))


@pytest.mark.parametrize("kept", ["training.json", "summary.json", "checkpoints/checkpoint-5"])
def test_what_there_is_to_lose_keeps_its_claim(tmp_path: Path, kept: str) -> None:
    fingerprints.stamp("sft", tmp_path, inputs())
    (tmp_path / kept).parent.mkdir(exist_ok=True)
    (tmp_path / kept).write_text("")
    with pytest.raises(InputError), fingerprints.released_if_refused(tmp_path):
        raise InputError("x")
    assert (tmp_path / "inputs.json").is_file()


def test_a_failed_endpoint_keeps_the_claim(tmp_path: Path) -> None:
    fingerprints.stamp("feedback", tmp_path, inputs())
    with pytest.raises(EndpointError), fingerprints.released_if_refused(tmp_path):
        raise EndpointError("x")
    assert (tmp_path / "inputs.json").is_file()


@pytest.mark.parametrize("nothing_paid", [True, False])
def test_an_endpoint_that_never_answered_leaves_the_recipe_to_be_mended(tmp_path: Path, nothing_paid: bool) -> None:
    fingerprints.stamp("feedback", tmp_path, inputs())
    with pytest.raises(EndpointError), fingerprints.released_if_refused(tmp_path, lambda: nothing_paid):
        raise EndpointError("x")
    assert (tmp_path / "inputs.json").is_file() is not nothing_paid


def test_a_folder_that_cannot_be_claimed_or_read_is_the_users_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        fingerprints.stamp("feedback", tmp_path / "file/out", inputs())
    (tmp_path / "inputs.json").write_text("3")
    with pytest.raises(InputError, match="is not what cowest wrote there"):
        fingerprints.stamp("feedback", tmp_path, inputs())


def test_only_the_templates_that_are_used_count(tmp_path: Path) -> None:
    used = fingerprints.inputs_of(RECIPE, ["seed"], (), Prompts(), ["refine"])
    assert list(used.prompt_files) == ["refine"]
    before = used.model_copy(update={"prompt_files": used.prompt_files | {"gone": "1"}})
    fingerprints.stamp("feedback", tmp_path, before)
    assert not fingerprints.stamp("feedback", tmp_path, used)
    assert fingerprints.matches(tmp_path, used)
    more = fingerprints.inputs_of(RECIPE, ["seed"], (), Prompts(), ["refine", "judge"])
    assert not fingerprints.matches(tmp_path, more)
    with pytest.raises(InputError, match=r"the prompt template 'judge' \(none, now"):
        fingerprints.stamp("feedback", tmp_path, more)
    assert not fingerprints.stamp("feedback", tmp_path, more, maybe_unused=["judge"])
    fingerprints.verify("feedback", tmp_path, more, maybe_unused=["judge"])
    assert not fingerprints.matches(tmp_path / "none", used)
