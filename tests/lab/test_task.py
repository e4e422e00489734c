import json
from pathlib import Path

import pytest

import cowest
from cowest.errors import InputError
from cowest.lab import world
from cowest.lab.facts import stated_facts
from cowest.lab.task import Formulary
from cowest.types import Answer


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "validation.jsonl"
    rows = world.make_rows(world.make_world(0), "validation")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_every_reference_scores_full_marks(data: str) -> None:
    task = cowest.task("cowest.lab.task:Formulary", validation=data)
    found = task.validate(task.validation)
    assert found.num_examples == found.num_gold_full == 400
    assert found.problems == []


def test_score_takes_the_unit_and_any_case_and_refuses_none(data: str) -> None:
    task = Formulary(validation=data)
    example = task.validation[0].model_copy(update={"references": ("84",)})
    assert task.score(example, Answer(final="84 mg")) == {"accuracy": 1.0}
    assert task.score(example, Answer(final="8")) == {"accuracy": 0.0}
    assert task.score(example, Answer(final=None)) == {"accuracy": 0.0}


@pytest.mark.parametrize("notation", ["figures", "words"])
def test_oracle_states_the_fact_in_the_tasks_notation(data: str, notation: str) -> None:
    task = Formulary(validation=data, notation=notation)
    for example in task.validation[:50]:
        facts = stated_facts(task.oracle_draft(example))
        if example.fields["kind"] == "class":
            assert facts.classes[0] == example.fields["class"]
        else:
            assert (facts.rates, facts.notations) == ((example.fields["rate"],), (notation,))


def test_bad_files_are_refused_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        _ = Formulary(test=str(tmp_path / "none.jsonl")).test
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "1"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1.*query"):
        _ = Formulary(test=str(path)).test
    path.write_text("{\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 1: this is not JSON"):
        _ = Formulary(test=str(path)).test
    with pytest.raises(InputError, match="notation"):
        Formulary(notation="roman")
