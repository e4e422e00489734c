"""`cowest init`: what it makes of invented files passes doctor, and nothing is overwritten."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from cowest.cli import main as cli
from cowest.recipe import load_recipe
from tests.recipes import recipe_of

MODELS = ("--weak", recipe_of(Path("x"))["weak"]["model"], "--strong", recipe_of(Path("x"))["strong"]["model"])
Rows = list[dict[str, Any]]


def _table(rows: Rows, mark: str, encoding: str) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=mark)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def _write(path: Path, rows: Rows, mark: str = ",", encoding: str = "utf-8") -> Path:
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        path.write_bytes(_table(rows, mark, encoding))
    elif path.suffix == ".json":
        path.write_bytes(json.dumps(rows, ensure_ascii=False).encode(encoding))
    else:
        path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(encoding))
    return path


def init(*arguments: str | Path) -> int:
    return cli.main(["init", *map(str, arguments), *MODELS])


def task_of(recipe: Path) -> dict[str, Any]:
    options = load_recipe(recipe).task.options
    return {key: value for key, value in options.items() if value is not None and key not in ("train", "test")}


FAQ = [{"Frage": f"Wie heißt Ort {n}?", "Antwort": f"Örtchen {n}", "Thema": "Geo"} for n in range(20)]
MOODS = [
    {"uid": n, "review_text": f"The film {n}.", "sentiment": ("yes", "no", "No", "maybe")[n % 4]} for n in range(24)
]
EXAM = [
    {"question": f"What is {n}?", "options": {"A": f"a{n}", "B": f"b{n}"}, "answer_idx": "AB"[n % 2], "meta": {"x": 1}}
    for n in range(9)
]
SPANS = [
    {"id": f"s{n}", "context": f"Text {n}.", "question": f"Who {n}?", "answers": {"text": [f"x{n}", "y"], "start": [3]}}
    for n in range(8)
]
INDEXED = [{"question": f"Q {n}?", "choices": ["one", "two", "three"], "label": n % 3} for n in range(9)]
COUNTED = [{"question": f"Q {n}?", "opa": "one", "opb": "two", "opc": "six", "cop": n % 3 + 1} for n in range(9)]
LISTED = [{"problem": f"P {n}?", "options": '["left", "right"]', "correct_answer": "left"} for n in range(6)]
CHINESE = [{"问题": f"第{n}个问题是什么？", "答案": f"答{n}"} for n in range(6)]
ODD = [{"a, b: {c} # d": f"A long text number {n}", "x\ny\u2028z": f"e{n}"} for n in range(5)]
PARTLY = [
    {"question": f"Q {n}?", "answer": f"a{n}", "rationale": "because" if n < 1010 else ["no"]} for n in range(1050)
]
SAID = [{"context": f"He said {n}.", "safe": n % 3 == 1} for n in range(12)]
PAIRS = [{"text_a": f"left {n}", "text_b": f"right {n} and more", "label": n % 2} for n in range(12)]


@pytest.mark.parametrize(
    ("name", "rows", "written", "expected"),
    [
        (
            "faq.csv",
            FAQ,
            {"mark": ";", "encoding": "cp1252"},
            {"question": "Frage", "answer": "Antwort", "kind": "open"},
        ),
        (
            "moods.tsv",
            MOODS,
            {"mark": "\t"},
            {"question": "review_text", "answer": "sentiment", "kind": "label", "labels": ["yes", "no", "maybe"]},
        ),
        (
            "exam.json",
            EXAM,
            {},
            {"question": "question", "answer": "answer_idx", "kind": "choice", "choices": ["options.A", "options.B"]},
        ),
        (
            "spans.jsonl",
            SPANS,
            {},
            {"question": "question", "answer": "answers.text", "kind": "open", "context": "context"},
        ),
        (
            "indexed.parquet",
            INDEXED,
            {},
            {"question": "question", "answer": "label", "kind": "choice", "choices": "choices", "index_from": 0},
        ),
        (
            "counted.csv",
            COUNTED,
            {},
            {
                **{"question": "question", "answer": "cop", "kind": "choice"},
                **{"choices": ["opa", "opb", "opc"], "index_from": 1},
            },
        ),
        (
            "listed.csv",
            LISTED,
            {},
            {"question": "problem", "answer": "correct_answer", "kind": "choice", "choices": "options"},
        ),
        ("chinese.jsonl", CHINESE, {"encoding": "utf-8-sig"}, {"question": "问题", "answer": "答案", "kind": "open"}),
        ("odd.csv", ODD, {}, {"question": "a, b: {c} # d", "answer": "x\ny\u2028z", "kind": "open"}),
        ("partly.jsonl", PARTLY, {}, {"question": "question", "answer": "answer", "kind": "open"}),
        (
            "said.jsonl",
            SAID,
            {},
            {"question": "context", "answer": "safe", "kind": "label", "labels": ["False", "True"]},
        ),
        (
            "pairs.csv",
            PAIRS,
            {},
            {"question": "text_b", "answer": "label", "kind": "label", "labels": ["0", "1"]},
        ),
    ],
)
def test_a_file_becomes_a_recipe_that_passes_doctor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    rows: Rows,
    written: dict[str, str],
    expected: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / name, rows, **written)
    assert init("--train", name, "--yes", "--out", "mine.yaml") == 0
    said = capsys.readouterr().out
    assert ("not used:     'text_a'" in said) == (name == "pairs.csv")
    assert "Wrote mine.yaml, mine.train.jsonl, mine.test.jsonl. Next: cowest doctor mine.yaml" in said
    task = task_of(Path("mine.yaml"))
    assert task == {"overlap": "refuse", **expected}
    assert cli.main(["doctor", "mine.yaml"]) == 0, capsys.readouterr()
    split = [len(Path(f"mine.{each}.jsonl").read_text().splitlines()) for each in ("train", "test")]
    assert sum(split) == len(rows)
    assert split[1] == max(1, round(len(rows) / 5))


def test_given_files_keep_their_way_of_writing_and_shared_rows_are_dropped_from_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rows in {"a.csv": FAQ[:12], "b.csv": FAQ[10:]}.items():
        _write(tmp_path / name, rows, ";", "cp1252")
    assert init("--train", "a.csv", "--test", "b.csv", "--yes") == 0
    assert "2 rows are in two files" in capsys.readouterr().out
    expected = {"question": "Frage", "answer": "Antwort", "kind": "open", "delimiter": ";", "encoding": "cp1252"}
    assert task_of(Path("recipe.yaml")) == {"overlap": "drop", **expected}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv", "recipe.yaml"]
    assert cli.main(["doctor", "recipe.yaml"]) == 0


def test_rows_of_one_question_or_group_stay_on_one_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"Q {n % 7}?", "answer": f"a{n % 7}", "book": f"b{n % 4}"} for n in range(28)]
    _write(Path("rows.jsonl"), rows)
    for flags, column in (((), "question"), (("--group", "book"), "book")):
        assert init("--train", "rows.jsonl", "--yes", "--force", *flags) == 0
        sides = [
            {json.loads(line)[column] for line in Path(f"recipe.{each}.jsonl").read_text().splitlines()}
            for each in ("train", "test")
        ]
        assert all(sides)
        assert not sides[0] & sides[1]


def test_nothing_is_overwritten_without_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(Path("faq.jsonl"), FAQ)
    for name in ("recipe.yaml", "recipe.test.jsonl"):
        Path(name).write_text("mine")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert init("--train", "faq.jsonl", "--yes") == 2
        assert f"{name!r} already exists" in " ".join(capsys.readouterr().err.split())
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
        Path(name).unlink()
    Path("recipe.yaml").write_text("mine")
    assert init("--train", "faq.jsonl", "--yes", "--force") == 0
    assert task_of(Path("recipe.yaml"))["question"] == "Frage"


def test_the_users_own_file_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = _write(Path("faq.train.jsonl"), FAQ).read_bytes()
    for out in ("faq.yaml", "faq.train.jsonl"):
        assert init("--train", tmp_path / "faq.train.jsonl", "--yes", "--force", "--out", out) == 2
        assert "is the data that is read" in " ".join(capsys.readouterr().err.split())
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("faq.train.jsonl", before)]


@pytest.mark.parametrize(
    ("rows", "flags", "said"),
    [
        ([{"question": "Q?", "choices": ["x", "y", "z"], "label": 1}], (), "Say which: --index-from 0 or"),
        ([{"u": "a", "v": "b", "w": "c"}] * 3, (), "Name it: --answer COLUMN"),
        ([{"question": "a", "answer": "b"}] * 3, (), "fewer than two different questions"),
        (FAQ, ("--question", "Fragen"), "Did you mean 'Frage'?"),
        (FAQ, ("--kind", "choice"), "needs the options"),
        ([*FAQ, {"Frage": "x", "Antwort": "", "Thema": ""}], (), "field 'Antwort': the value is null or empty"),
        (FAQ, ("--test", "none.jsonl"), "'none.jsonl' does not exist"),
    ],
)
def test_what_cannot_be_told_is_said_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: Rows,
    flags: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(Path("rows.jsonl"), rows)
    assert init("--train", "rows.jsonl", "--yes", *flags) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_questions_offer_the_guesses_and_take_other_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(Path("faq.jsonl"), FAQ)
    answers = ["faq.jsonl", "", "", "Thema", "", "", "", "http://127.0.0.1:9/v1"]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{answer}\n" for answer in answers)))
    assert cli.main(["init"]) == 0
    asked = capsys.readouterr().out
    assert "Columns: Frage, Antwort, Thema" in asked
    assert "question (by its name) [Frage]: " in asked
    recipe = load_recipe("recipe.yaml")
    assert (recipe.task.options["question"], recipe.task.options["answer"]) == ("Frage", "Thema")
    assert recipe.strong.base_url == "http://127.0.0.1:9/v1"
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cli.main(["init", "--force"]) == 2
    assert "Say --yes" in capsys.readouterr().err
