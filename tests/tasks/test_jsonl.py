import json
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.tasks import jsonl, load_task
from cowest.tasks.jsonl import Jsonl
from cowest.types import Answer, Example


def _file(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def _read(folder: Path, *rows: dict[str, Any], **options: Any) -> list[Example]:
    return list(Jsonl(**options).read(_file(folder, *rows)))


def _score(task: Jsonl, example: Example, final: str | None) -> dict[str, float]:
    return task.score(example, Answer(final=final))


def test_a_column_says_which_rows_belong_together(tmp_path: Path) -> None:
    rows = [
        {"question": f"Who {number}?", "answer": "Ada", "page": page} for number, page in enumerate([7, 7, "b", ""])
    ]
    assert [example.group for example in _read(tmp_path, *rows, group="page")] == ["7", "7", "b", None]
    assert {example.group for example in _read(tmp_path, *rows)} == {None}
    with pytest.raises(InputError, match="no such field"):
        _read(tmp_path, *rows, group="chapter")
    with pytest.raises(InputError, match=r"task\.group"):
        Jsonl(group=["page"])  # type: ignore[arg-type]


def test_rows_that_ask_the_same_belong_together(tmp_path: Path) -> None:
    rows = [
        {"question": "Who?", "answer": "Ada", "page": ""},
        {"question": "When?", "answer": "1843", "page": ""},
        {"question": "who? ", "answer": "Ada Lovelace", "page": ""},
        {"question": "When?", "answer": "1843", "page": "7"},
    ]
    task = Jsonl(test=_file(tmp_path, *rows), group="page")
    first, second, third, fourth = task.groups(task.test)
    assert first == third is not None
    assert (fourth, second) == ("7", task.groups([task.test[1], task.test[3]])[0])
    assert second not in (None, first)
    assert task.groups(task.test[:2]) == [None, None]


def test_open_questions(tmp_path: Path) -> None:
    location = _file(
        tmp_path,
        {"frage": "Who?", "antwort": ["Ada Lovelace", "Ada"], "text": "A story.", "warum": "It says so."},
        {"frage": "How many?", "antwort": 7, "text": "", "warum": None},
    )
    task = load_task("jsonl", train=location, question="frage", answer="antwort", context="text", explanation="warum")
    first, second = task.train
    assert first == Example(
        id="1",
        query="A story.\n\nWho?",
        references=("Ada Lovelace", "Ada"),
        explanation="It says so.",
        fields={"question": "Who?"},
    )
    assert second == Example(id="2", query="How many?", references=("7",))
    assert task.metric == "exact_match"
    assert task.score(first, Answer(final="the ADA")) == {"exact_match": 1.0, "f1": 1.0}
    assert task.score(first, Answer(final="Ada Byron")) == {"exact_match": 0.0, "f1": pytest.approx(2 / 3)}
    assert task.score(first, Answer(final=None)) == {"exact_match": 0.0, "f1": 0.0}
    assert task.validate(task.train).num_gold_full == 2


def test_headline_metric_may_be_chosen(tmp_path: Path) -> None:
    task = Jsonl(metric="f1")
    (example,) = task.read(_file(tmp_path, {"question": "?", "answer": "a b"}))
    assert list(_score(task, example, "b")) == ["f1", "exact_match"]


@pytest.mark.parametrize(
    ("answer", "options"),
    [("B", {}), ("(b)", {}), ("Paris", {}), (1, {"index_from": 0}), ("2", {"index_from": 1}), (2.0, {"index_from": 1})],
)
def test_choice_by_letter_text_or_index(tmp_path: Path, answer: Any, options: dict[str, int]) -> None:
    row = {"question": "Capital?", "options": ["London", "Paris"], "answer": answer}
    task = Jsonl(kind="choice", choices="options", **options)  # type: ignore[arg-type]
    (example,) = task.read(_file(tmp_path, row))
    assert example.query == "Capital?\n(A) London\n(B) Paris"
    assert example.references == ("B", "Paris")
    for right in ("B", "(B)", "paris", "(B) Paris"):
        assert _score(task, example, right) == {"accuracy": 1.0}
    for wrong in ("A", "London", "(B) London", "Rome", None):
        assert _score(task, example, wrong) == {"accuracy": 0.0}
    assert task.validate([example]).num_gold_full == 1


def test_numbers_as_options_are_not_indices(tmp_path: Path) -> None:
    (example,) = _read(tmp_path, {"question": "1+1?", "c": [3, 2, 1], "answer": 2}, kind="choice", choices="c")
    assert example.references == ("B", "2")
    with pytest.raises(InputError, match=r"line 1, field 'answer': '0' is not.*index_from: 0 or 1"):
        _read(tmp_path, {"question": "1+1?", "c": ["x", "y"], "answer": 0}, kind="choice", choices="c")


def test_exact_match_of_a_choice_looks_at_the_option(tmp_path: Path) -> None:
    task = Jsonl(kind="choice", choices="c", metric="exact_match")
    (example,) = task.read(_file(tmp_path, {"question": "?", "c": ["C-", "C+"], "answer": "C+"}))
    assert _score(task, example, "C-")["exact_match"] == 0.0
    assert _score(task, example, "C+")["exact_match"] == 1.0


def test_choice_with_one_column_an_option_and_nested_columns(tmp_path: Path) -> None:
    (example,) = _read(
        tmp_path, {"question": "?", "opa": "x", "opb": "y", "cop": 2}, kind="choice", choices=["opa", "opb"],
        answer="cop", index_from=1,
    )  # fmt: skip
    assert example.references == ("B", "y")
    (example,) = _read(
        tmp_path, {"question": "?", "c": {"text": ["x", "y"]}, "answer": "A"}, kind="choice", choices="c.text"
    )
    assert example.references == ("A", "x")


def test_choice_in_csv_is_a_json_list(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('question,answer,options\nCapital?,B,"[""London"", ""Paris""]"\nHm?,A,London|Paris\n')
    rows = Jsonl(kind="choice", choices="options").read(str(path))
    assert next(iter(rows)).references == ("B", "Paris")
    with pytest.raises(InputError, match=r"line 3, field 'options'.*JSON list"):
        list(Jsonl(kind="choice", choices="options").read(str(path)))


def test_labels(tmp_path: Path) -> None:
    task = Jsonl(kind="label", labels=["casual", "needs caution"])
    (example,) = task.read(_file(tmp_path, {"question": "Hi!", "answer": "Casual"}))
    assert example.query == "Hi!\nLabels: casual, needs caution"
    assert _score(task, example, "casual.") == {"accuracy": 1.0}
    assert _score(task, example, "needs caution") == {"accuracy": 0.0}
    with pytest.raises(InputError, match=r"'casul' is none of task.labels. Did you mean 'casual'"):
        list(task.read(_file(tmp_path, {"question": "Hi!", "answer": "casul"})))


def test_labels_that_no_one_listed_are_those_of_the_file(tmp_path: Path) -> None:
    rows = [
        {"question": str(n), "answer": label} for n, label in enumerate(["Safe", "unsafe.", "safe", ["no", "safe"]])
    ]
    task = Jsonl(kind="label", test=_file(tmp_path, *rows))
    examples = list(task.test)
    assert [task.gold_label(example) for example in examples] == ["Safe", "unsafe.", "Safe", "no"]
    given = {"SAFE.": "Safe", "unsafe": "unsafe.", "perhaps": None, None: None}
    assert {final: task.label_of(examples[0], Answer(final=final)) for final in given} == given
    assert task.label_of(examples[3], Answer(final="safe")) == "no"  # any accepted label is right
    assert task.validate(task.test).num_gold_full == 4


def test_labels_in_the_recipes_spelling(tmp_path: Path) -> None:
    task = Jsonl(kind="label", labels=["Yes", "No"])
    (example,) = task.read(_file(tmp_path, {"question": "?", "answer": "yes"}))
    assert task.gold_label(example) == "Yes"
    assert [task.label_of(example, Answer(final=final)) for final in ("YES", "no.", "?")] == ["Yes", "No", None]
    with pytest.raises(InputError, match="'yes' twice"):
        Jsonl(kind="label", labels=["Yes", "No", "yes"])


def test_free_text_is_no_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LABELS", 20)
    rows = [{"question": "?", "answer": f"answer {n}"} for n in range(21)]
    with pytest.raises(InputError, match=r"line 21, field 'answer': 'answer 20'.*over 20.*task\.kind: open"):
        _read(tmp_path, *rows, kind="label")


def test_labels_of_choices_are_letters(tmp_path: Path) -> None:
    task = Jsonl(kind="choice", choices="c")
    (example,) = task.read(_file(tmp_path, {"question": "?", "c": ["x", "both", "Both"], "answer": "(C)"}))
    assert task.gold_label(example) == "C"
    labels = {"a": "A", "x": "A", "both": "C", "(B)": "C", "D": None, None: None}
    assert {final: task.label_of(example, Answer(final=final)) for final in labels} == labels


def test_open_answers_have_no_label(tmp_path: Path) -> None:
    task = Jsonl()
    (example,) = task.read(_file(tmp_path, {"question": "?", "answer": "y"}))
    assert task.gold_label(example) is None
    assert task.label_of(example, Answer(final="y")) is None
    assert example.fields == {}


def test_a_context_may_be_a_list_of_passages(tmp_path: Path) -> None:
    rows = [{"question": "?", "answer": "y", "c": passages} for passages in (["One.", "Two."], [], None, "Three.")]
    queries = [example.query for example in _read(tmp_path, *rows, context="c")]
    assert queries == ["One.\n\nTwo.\n\n?", "?", "?", "Three.\n\n?"]
    with pytest.raises(InputError, match=r"line 1, field 'c'.*no text"):
        _read(tmp_path, {"question": "?", "answer": "y", "c": ["One.", None]}, context="c")


@pytest.mark.parametrize("answer", [7, 7.5, -1, 10**30, 1e-05, True])
def test_numbers_as_answers(tmp_path: Path, answer: Any) -> None:
    task = Jsonl(test=_file(tmp_path, {"question": "?", "answer": answer}))
    assert task.test[0].references == (str(answer),)
    assert task.validate(task.test).num_gold_full == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"q": "x", "answer": "y"}, ["field 'question'", "no such field", "Its fields: q, answer"]),
        ({"questions": "x", "answer": "y"}, ["Did you mean 'questions'"]),
        ({"question": "x", "answer": None}, ["field 'answer'", "null or empty"]),
        ({"question": "x", "answer": "  "}, ["field 'answer'", "null or empty"]),
        ({"question": "x", "answer": float("nan")}, ["field 'answer'", "null or empty"]),
        ({"question": "x", "answer": float("inf")}, ["field 'answer'", "infinity", "quotes"]),
        ({"question": "x", "answer": []}, ["field 'answer'", "is empty"]),
        ({"question": "x", "answer": ["y", ""]}, ["field 'answer'", "no text"]),
        ({"question": "x", "answer": {"text": "y"}}, ["field 'answer'", "dict"]),
        ({"question": "", "answer": "y"}, ["field 'question'", "null or empty"]),
    ],
)
def test_faults_name_file_line_and_field(tmp_path: Path, row: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, {"question": "fine", "answer": "fine"}, row)
    for word in [repr(str(tmp_path / "rows.jsonl")), "line 2", *words]:
        assert word in str(caught.value)


def test_faults_of_choices(tmp_path: Path) -> None:
    def fault(**row: Any) -> str:
        with pytest.raises(InputError) as caught:
            _read(
                tmp_path, {"question": "?", **row}, kind="choice", choices="c", index_from=row.pop("index_from", None)
            )
        return str(caught.value)

    assert "2 to 26 options" in fault(c=["x"], answer="A")
    assert "no text" in fault(c=["x", None], answer="A")
    assert "no such field" in fault(answer="A")
    assert "one of the options (A) x (B) y" in fault(c=["x", "y"], answer="C")
    assert "index from 0 to 1" in fault(c=["x", "y"], answer=-1, index_from=0)
    assert "index from 1 to 2" in fault(c=["x", "y"], answer=0, index_from=1)
    assert "index from 0 to 1" in fault(c=["x", "y"], answer="A", index_from=0)


def test_repeated_ids_name_both_rows(tmp_path: Path) -> None:
    rows = [{"question": "x", "answer": "y", "id": number} for number in (1, 2, "1")]
    with pytest.raises(InputError, match=r"line 3, field 'id': the id '1' is already that of line 1"):
        _read(tmp_path, *rows, id="id")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no example"):
        len(Jsonl(test=_file(tmp_path)).test)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "opne"}, "Did you mean 'open'"),
        ({"metric": "em"}, "exact_match, f1, accuracy"),
        ({"kind": "choice"}, "task.choices"),
        ({"choices": "c"}, "task.choices"),
        ({"labels": ["a"]}, "task.labels"),
        ({"kind": "label", "labels": "abc"}, "task.labels"),
        ({"index_from": 1}, "task.index_from"),
        ({"kind": "choice", "choices": "c", "index_from": 2}, "task.index_from"),
        ({"questoin": "q"}, "questoin"),
    ],
)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_task("jsonl", **options)


def test_hub_locations_name_their_split() -> None:
    task = Jsonl(train="hub:owner/name", test="hub:owner/name:dev")
    assert task.locations == {"train": "hub:owner/name:train", "validation": None, "test": "hub:owner/name:dev"}


@pytest.mark.parametrize(
    "options",
    [
        {"question": 3},
        {"question": None},
        {"answer": ["answer"]},
        {"context": 3},
        {"explanation": ["x"]},
        {"id": 3},
        {"kind": "choice", "choices": 3},
        {"kind": "label", "labels": [3, 4]},
        {"kind": "label", "labels": [True, False]},
        {"kind": "choice", "choices": "options", "index_from": True},
    ],
)
def test_options_of_the_wrong_type_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"task.{list(options)[-1]}"):
        Jsonl(**options)
