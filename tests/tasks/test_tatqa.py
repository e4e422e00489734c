import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from cowest import answers
from cowest.errors import InputError
from cowest.recipe import load_recipe
from cowest.tasks import load_task
from cowest.tasks.tatqa import ANSWER_FORM, TatQa
from cowest.types import Answer, Example
from tests.real_data import DATA, needs_data

FULL = {"exact_match": 1.0, "f1": 1.0}


def _question(uid: str = "q1", **fields: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "order": 1,
        "question": "What is the change in revenue in 2019 from 2018?",
        "answer": -3.1,
        "derivation": "12.4-15.5",
        "answer_type": "arithmetic",
        "answer_from": "table-text",
        "rel_paragraphs": ["1"],
        "req_comparison": False,
        "scale": "million",
        **fields,
    }


def _context(*questions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "table": {
            "uid": "t1",
            "table": [["", "2019", "2018"], ["Revenue", "$ 12.4", "$ 15.5"], ["Ferries", "(3)", ""]],
        },
        "paragraphs": [
            {"uid": "p2", "order": 2, "text": "Ferries were sold."},
            {"uid": "p1", "order": 1, "text": "The table shows revenue (in millions)."},
        ],
        "questions": list(questions or [_question()]),
        **fields,
    }


def _file(folder: Path, *contexts: dict[str, Any]) -> str:
    path = folder / "tatqa.jsonl"
    path.write_text("".join(json.dumps(context) + "\n" for context in contexts), encoding="utf-8")
    return str(path)


def _read(folder: Path, *contexts: dict[str, Any]) -> list[Example]:
    return list(TatQa().read(_file(folder, *contexts)))


def test_a_question_becomes_an_example(tmp_path: Path) -> None:
    (example,) = _read(tmp_path, _context())
    assert example == Example(
        id="q1",
        query=(
            "|  | 2019 | 2018 |\n"
            "| --- | --- | --- |\n"
            "| Revenue | $ 12.4 | $ 15.5 |\n"
            "| Ferries | (3) |  |\n\n"
            "The table shows revenue (in millions).\n\n"
            "Ferries were sold.\n\n"
            "Question: What is the change in revenue in 2019 from 2018?\n" + ANSWER_FORM
        ),
        references=("-3.1 million",),
        explanation="12.4-15.5",
        fields={
            "question": "What is the change in revenue in 2019 from 2018?",
            "answer": ["-3.1"],
            "scale": "million",
            "answer_type": "arithmetic",
            "answer_from": "table-text",
        },
        group="t1",
    )


def test_the_line_on_the_form_of_an_answer_is_no_answer_when_it_is_repeated(tmp_path: Path) -> None:
    (example,) = _read(tmp_path, _context())
    form = ANSWER_FORM.removeprefix("The answer is ").split(". ")[0]
    assert TatQa().parse(example, f"The answer is {form}.").final is None
    assert TatQa().parse(example, "The answer is 12.5 million.").final == "12.5 million"


def test_publishers_list_and_lines_give_the_same(tmp_path: Path) -> None:
    contexts = [_context(_question("a"), _question("b")), _context(_question("c"), table={"table": [["x"]]})]
    whole = tmp_path / "dev.json.gz"
    whole.write_bytes(gzip.compress(json.dumps(contexts).encode()))
    examples = _read(tmp_path, *contexts)
    assert [example.id for example in examples] == ["a", "b", "c"]
    assert list(load_task("tatqa", test=str(whole)).test) == examples


def test_query_holds_nothing_that_gives_the_answer_away(tmp_path: Path) -> None:
    secret = "XYZZY"
    question = _question(
        answer=[secret],
        answer_type="span",
        derivation=secret,
        answer_from="text",
        scale="",
        rel_paragraphs=[secret],
        facts=[secret],
        consts=[secret],
        mappings=[{secret: [1, 2]}],
        tree_derivation=secret,
    )
    (example,) = _read(tmp_path, _context(question))
    assert secret not in example.query
    (other,) = _read(tmp_path, _context(_question()))
    assert example.query == other.query  # answer type and scale do not show either


def test_cells_stay_in_their_places(tmp_path: Path) -> None:
    table = {"table": [["a|b", "two\nlines", None], [3, 4.5], []]}
    (example,) = _read(tmp_path, _context(table=table, paragraphs=[]))
    assert example.query.startswith(
        "| a\\|b | two lines |  |\n| --- | --- | --- |\n| 3 | 4.5 |  |\n|  |  |  |\n\nQuestion: "
    )


@pytest.mark.parametrize(
    ("fields", "answer", "reference"),
    [
        ({"answer": 12, "scale": "thousand"}, ["12"], "12 thousand"),
        ({"answer": 12.5, "scale": "percent"}, ["12.5"], "12.5%"),
        ({"answer": 1e-05, "scale": ""}, ["0.00001"], "0.00001"),
        ({"answer": "7", "scale": "", "answer_type": "count"}, ["7"], "7"),
        ({"answer": 7.0, "scale": "", "answer_type": "count"}, ["7.0"], "7.0"),
        ({"answer": "net sales", "scale": "", "answer_type": "span"}, ["net sales"], "net sales"),
        ({"answer": [2018, "2019"], "scale": "", "answer_type": "multi-span"}, ["2018", "2019"], "2018; 2019"),
        ({"answer": ["$1", "(2)"], "answer_type": "multi-span"}, ["$1", "(2)"], "$1 million; (2) million"),
        ({"answer": ["cash", ""], "scale": "", "answer_type": "multi-span"}, ["cash", ""], "cash"),
    ],
)
def test_forms_of_gold_answers(tmp_path: Path, fields: dict[str, Any], answer: list[str], reference: str) -> None:
    (example,) = _read(tmp_path, _context(_question(**fields)))
    assert (example.fields["answer"], example.references) == (answer, (reference,))
    task = TatQa()
    assert task.score(example, task.reference_answer(example)) == FULL


def test_score_needs_number_and_scale(tmp_path: Path) -> None:
    task = TatQa()
    (example,) = _read(tmp_path, _context())
    for final, expected in [("-$3.1 million", 1.0), ("(3.1) million", 1.0), ("-3.1", 0.0), ("3.1 million", 0.0)]:
        assert task.score(example, Answer(final=final)) == {"exact_match": expected, "f1": expected}
    assert task.score(example, Answer(final=None)) == {"exact_match": 0.0, "f1": 0.0}
    assert task.metric == "exact_match"


@pytest.mark.parametrize(
    ("derivation", "explanation"),
    [("", None), (" - ", None), ("cash##stock ## bonds", "cash; stock; bonds"), ("3>2", "3>2")],
)
def test_derivation_is_the_explanation(tmp_path: Path, derivation: str, explanation: str | None) -> None:
    (example,) = _read(tmp_path, _context(_question(derivation=derivation)))
    assert example.explanation == explanation


def test_validate_names_gold_answers_that_contradict_themselves(tmp_path: Path) -> None:
    questions = [
        _question("fine"),
        _question("hole", answer=["cash", ""], answer_type="multi-span", scale=""),
        _question("twice", answer=["$3.0 million"], answer_type="span", scale="thousand"),
        _question("percent", answer=["3%"], answer_type="span", scale="percent"),
    ]
    task = TatQa(test=_file(tmp_path, _context(*questions)))
    validation = task.validate(task.test)
    assert (validation.num_examples, validation.num_gold_full) == (4, 4)
    found = [(problem.row, problem.field) for problem in validation.problems if problem.field == "answer"]
    assert found == [("hole", "answer"), ("twice", "answer")]


@pytest.mark.parametrize(
    ("context", "where"),
    [
        (_context(_question(), _question("q2", answer=None)), "questions[1], field 'answer'"),
        (_context(_question(answer=[])), "questions[0], field 'answer'"),
        (_context(_question(answer=["", " "])), "questions[0], field 'answer'"),
        (_context(_question(answer=[None])), "questions[0], field 'answer'"),
        (_context(_question(answer=True)), "questions[0], field 'answer'"),
        (_context(_question(answer={"a": 1})), "questions[0], field 'answer'"),
        (_context(_question(answer=[float("nan")])), "questions[0], field 'answer'"),
        (_context({key: value for key, value in _question().items() if key != "answer"}), "test_gold"),
        (_context({key: value for key, value in _question().items() if key != "scale"}), "questions[0], field 'scale'"),
        (_context(_question(scale="millions")), "Did you mean 'million'"),
        (_context(_question(scale=None)), "questions[0], field 'scale'"),
        (_context(_question(answer_type="date")), "questions[0], field 'answer_type'"),
        (_context(_question(question=" ")), "questions[0], field 'question'"),
        (_context(_question(uid="")), "questions[0], field 'uid'"),
        (_context(_question(), _question()), "questions[1], field 'uid'"),
        (_context(questions="none"), "field 'questions'"),
        (_context(questions=[1]), "field 'questions'"),
        (_context(table={"table": []}), "field 'table.table'"),
        (_context(table={"table": ["a"]}), "field 'table.table'"),
        (_context(table={}), "field 'table.table'"),
        (_context(paragraphs=[{"order": 1, "text": ""}]), "paragraphs[0], field 'text'"),
        (_context(paragraphs=[{"order": "1", "text": "a"}]), "paragraphs[0], field 'order'"),
        (_context(paragraphs=[{"text": "a"}]), "paragraphs[0], field 'order'"),
    ],
)
def test_broken_rows_are_refused_by_name(tmp_path: Path, context: dict[str, Any], where: str) -> None:
    good = _context(_question("good"))
    with pytest.raises(InputError) as caught:
        _read(tmp_path, good, context)
    assert "tatqa.jsonl', line 2, " in str(caught.value)
    assert where in str(caught.value)


def test_recipe() -> None:
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "tatqa.yaml")
    task = load_task(recipe.task.name, **recipe.task.options)
    assert isinstance(task, TatQa)
    assert task.locations == {
        "train": recipe.task.train,
        "validation": recipe.task.validation,
        "test": recipe.task.test,
    }


@needs_data
@pytest.mark.parametrize(
    ("name", "num_contexts", "num_examples", "num_explanations", "flawed"),
    [
        # The lists hold an empty answer, and an answer in millions under the scale "million" (published so).
        ("dev", 278, 1668, 834, ["d47306cf-e276-4836-a827-ebebdc47e078", "2f7a4413-9ca2-49a3-b6fb-dd74a7ea9152"]),
        # An answer in millions under the scale "thousand" (published so).
        ("test_gold_part", 127, 762, 380, ["f005fbea468ed191b98d44c447b868ba"]),
    ],
)
def test_published_files(
    name: str, num_contexts: int, num_examples: int, num_explanations: int, flawed: list[str]
) -> None:
    task = TatQa(test=str(DATA / "tatqa" / f"{name}.jsonl.gz"))
    validation = task.validate(task.test)
    assert validation.num_examples == validation.num_gold_full == num_examples
    assert [problem.row for problem in validation.problems if problem.field == "answer"] == flawed
    assert len({example.query.partition("\n\nQuestion: ")[0] for example in task.test}) == num_contexts
    assert sum(example.explanation is not None for example in task.test) == num_explanations
    for example in task.test:
        output = f"Explanation: {example.explanation}\nAnswer: {example.references[0]}"
        assert task.score(example, answers.parse(output)) == FULL, example.id
