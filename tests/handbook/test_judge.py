import asyncio
from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.handbook.__main__ import main
from cowest.handbook.judge import FactsJudge
from cowest.handbook.task import Handbook
from cowest.types import Example


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Handbook:
    folder: Path = tmp_path_factory.mktemp("handbook")
    assert main(["--to", str(folder), "--products", "12"]) == 0
    return Handbook(test=str(folder / "test.jsonl"))


def score(task: Handbook, example: Example, output: str) -> int | None:
    return asyncio.run(FactsJudge(task).score(example, output)).score


def test_facts_and_answer_are_told_apart(task: Handbook) -> None:
    for example in task.test:
        facts, right = example.fields["facts"], f"Answer: {example.references[0]}"
        assert score(task, example, f"{facts}\n{right}") == 10
        assert score(task, example, right) == 6
        assert score(task, example, f"{facts}\nAnswer: 123456 euros") == 3
        assert score(task, example, "I looked it up for you just now.") == 1


def test_an_example_of_another_task_is_refused(task: Handbook) -> None:
    other = Example(id="7", query="?", references=("4",), fields={"term": "bee"})
    with pytest.raises(InputError, match=r"'facts' of an example, and '7' has 'term'.*cowest.handbook.task:Handbook"):
        score(task, other, "Answer: 4")


def test_one_fact_of_several_is_not_enough(task: Handbook) -> None:
    several = [example for example in task.test if ". " in example.fields["facts"]]
    assert several
    for example in several:
        for fact in example.fields["facts"].split(". "):
            # A fact of a comparison names one of the two products, which may be the answer.
            assert score(task, example, f"{fact.rstrip('.')}.\nAnswer: 123456 euros") in (1, 6)
