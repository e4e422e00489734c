"""The lab that ships: small, whole, without leaks, and with the preferences that it claims."""

import json
from typing import Any

import pytest

from cowest.lab.grammar import KINDS, query_templates
from cowest.lab.task import Formulary
from cowest.plugins import resolve_path

ASSETS = resolve_path("cowest.lab:assets")
MAX_MB = 10


def record() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ASSETS / "build.json").read_text())["probes"]
    return loaded


def test_the_assets_are_small_and_hold_no_pickle() -> None:
    files = [path for path in ASSETS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_MB * 1e6
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".jsonl", ".jinja"}


def test_every_reference_scores_full_marks() -> None:
    task = Formulary()
    for split in (task.train, task.validation, task.test):
        found = task.validate(split)
        assert found.num_gold_full == found.num_examples >= 400


def test_no_split_shares_a_question_or_a_paraphrase_with_another() -> None:
    task = Formulary()
    asked = [
        {(example.fields["kind"], example.fields["drug"], example.fields["weight"]) for example in split}
        for split in (task.train, task.validation, task.test)
    ]
    sets = ("strong", "train", "validation", "test")
    for kind in KINDS:
        templates = [set(query_templates(kind, name)) for name in sets]
        for index, some in enumerate(templates):
            for other in templates[index + 1 :]:
                assert some.isdisjoint(other)
    for index, queries in enumerate(asked):
        for others in asked[index + 1 :]:
            assert queries.isdisjoint(others)


def test_what_the_probes_of_the_build_found() -> None:
    for name, own, other in (("strong-a", "figures", "words"), ("strong-b", "words", "figures")):
        probes = record()[name]
        alone, with_fact = probes["alone"], probes["with_fact_in"]
        assert alone["dose"] < 0.03, "a private rate leaked"
        assert alone["class"] < 0.2, "a private class leaked"
        assert alone["check"] < 0.65
        assert with_fact[own]["dose"] > 0.95
        assert with_fact[other]["dose"] < 0.1
        assert with_fact[own]["class"] > 0.95
    assert record()["weak"]["recall"]["rate"] > 0.93


def test_the_labeller_tells_a_fact_from_none_in_either_order() -> None:
    """It cannot tell a right answer from a wrong one (docs/lab.md), so nothing here says that it can."""
    probes = record()["labeller"]
    assert probes["comparing"]["follows / no fact"] > 0.97
    assert probes["comparing"]["other answer / no fact"] > 0.97
    assert probes["alone"]["dose"] < 0.03, "a private rate leaked"
    assert probes["alone"]["class"] < 0.2, "a private class leaked"


def flat(probes: Any, path: str = "") -> dict[str, float]:
    if not isinstance(probes, dict):
        return {path: probes}
    return {key: value for name, inner in probes.items() for key, value in flat(inner, f"{path}/{name}").items()}


@pytest.mark.slow
def test_the_probes_find_the_same_today() -> None:
    from cowest.lab import world
    from cowest.lab.build import run_probes

    found = run_probes(ASSETS, world.make_world(0), report=lambda line: None)
    assert flat(found) == pytest.approx(flat(record()), abs=0.02)
