"""A stage's folder belongs to what it was made from."""

from pathlib import Path

import pytest

from cowest import claims
from cowest.errors import InputError
from cowest.prompts import Prompts
from tests.worlds import sums

RECIPE = {"seed": 0, "weak": {"model": "local/x", "sampling": {"temperature": 1.0}}}


def inputs(recipe: dict[str, object] = RECIPE, count: int = 3, prompts: Prompts | None = None) -> dict[str, object]:
    return claims.inputs_of(recipe, ["seed", "weak.sampling"], sums(count), prompts or Prompts())


def test_the_first_claims_and_the_same_goes_on(tmp_path: Path) -> None:
    assert claims.claim("feedback", tmp_path / "out", inputs())
    assert not claims.claim("feedback", tmp_path / "out", inputs())


def test_every_difference_is_named(tmp_path: Path) -> None:
    claims.claim("feedback", tmp_path, inputs())
    other = {"seed": 1, "weak": {"model": "local/y", "sampling": {"temperature": 0.5}}}
    with pytest.raises(InputError, match=r"seed: 0, now 1; weak\.sampling\.temperature: 1\.0, now 0\.5\. Nothing"):
        claims.claim("feedback", tmp_path, inputs(other))
    with pytest.raises(InputError, match="other examples"):
        claims.claim("feedback", tmp_path, inputs(count=4))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/judge.txt").write_text("{{ reference }} {{ output }}")
    with pytest.raises(InputError, match="other prompt files.judge"):
        claims.claim("feedback", tmp_path, inputs(prompts=Prompts(tmp_path / "mine")))


def test_what_the_stage_does_not_depend_on_may_change(tmp_path: Path) -> None:
    claims.claim("feedback", tmp_path, inputs())
    renamed = {"seed": 0, "weak": {"model": "local/y", "sampling": {"temperature": 1.0}}}
    assert not claims.claim("feedback", tmp_path, inputs(renamed))
