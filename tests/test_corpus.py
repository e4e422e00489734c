"""A corpus from rows: which texts it holds, that the retriever finds them, and what is refused."""

import json
from pathlib import Path

import pytest

from cowest.cli import main as cli
from cowest.corpus import write_corpus
from cowest.errors import InputError
from cowest.retrieval import Retriever
from tests.tasks.invented import IFQA, PROSOCIAL_DIALOG


def rows_file(path: Path, rows: object) -> str:
    path.write_text(json.dumps(rows))
    return str(path)


def test_the_texts_of_every_source_in_order_without_empty_and_repeated_ones(tmp_path: Path) -> None:
    first = rows_file(tmp_path / "a.json", [{"t": " one ", "more": ["two", "", None]}, {"t": None, "more": []}])
    second = tmp_path / "b.jsonl"
    second.write_text('{"t": "one", "more": "two"}\n{"t": 3, "more": null}\n')
    counts = write_corpus([first, str(second)], ["t", "more"], tmp_path / "made" / "corpus.jsonl")
    lines = (tmp_path / "made/corpus.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"id": "1", "text": "one\ntwo"}, {"id": "4", "text": "3"}]
    assert counts == (2, 1, 1)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["corpus.jsonl"]


def test_published_rows_become_passages_that_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "corpus.jsonl"
    ifqa = rows_file(tmp_path / "train.json", IFQA)
    assert cli.main(["corpus", ifqa, "--text", "context", "--to", str(to)]) == 0
    assert "2 texts" in capsys.readouterr().out
    assert "made of stone" in Retriever(str(to), top_k=1).search("Brindle Bridge")[0].text
    dialogues = rows_file(tmp_path / "dialogues.json", PROSOCIAL_DIALOG)
    assert cli.main(["corpus", dialogues, "--text", "context", "rots", "--to", str(to)]) == 0
    assert "You should not blame others." in Retriever(str(to), top_k=1).search("the last biscuit")[0].text


def test_what_cannot_be_a_corpus_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    source, to = rows_file(tmp_path / "a.json", [{"t": "one", "deep": {"t": "x"}, "none": ""}]), tmp_path / "c.jsonl"
    write_corpus([source], ["t"], to)
    before = to.read_text()
    with pytest.raises(InputError, match=r"no such field.*Its fields: t, deep, none"):
        write_corpus([source], ["text"], to)
    with pytest.raises(InputError, match="'deep': a text or a list of texts is needed"):
        write_corpus([source], ["deep"], to)
    with pytest.raises(InputError, match=r"No row of .* has a text in none"):
        write_corpus([source], ["none"], to)
    with pytest.raises(InputError, match=r"\.jsonl"):
        write_corpus([source], ["t"], tmp_path / "c.json")
    assert (to.read_text(), list(tmp_path.glob("*.partial"))) == (before, [])


def test_a_source_that_cannot_be_read_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_corpus([str(tmp_path / "nowhere.csv")], ["t"], tmp_path / "made" / "here" / "corpus.jsonl")
    assert list(tmp_path.iterdir()) == []
