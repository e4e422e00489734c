"""Files of other delimiters and encodings: .tsv, and the options `delimiter` and `encoding` of the task jsonl."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.tasks import load_task, read_rows

TEXTS = ["Wie heißt die Stadt?", "naïve, “quoted”; Ärger", "a\u2028b", "one\ntwo"]


def _table(mark: str) -> str:
    return "".join(f'"{text}"{mark}yes\r\n' for text in TEXTS)


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


@pytest.mark.parametrize(
    ("name", "mark", "encoding", "options"),
    [
        ("r.tsv", "\t", "utf-8", {}),
        ("r.tsv.gz", "\t", "utf-8-sig", {}),
        ("r.csv", ";", "utf-8", {"delimiter": ";"}),
        ("r.csv", "\t", "utf-8", {"delimiter": "\t"}),
        ("r.tsv", "|", "utf-16", {"delimiter": "|", "encoding": "utf-16"}),
        ("r.csv.gz", ",", "gb18030", {"encoding": "GB18030"}),
    ],
)
def test_tables_are_read_whole(tmp_path: Path, name: str, mark: str, encoding: str, options: dict[str, Any]) -> None:
    path = _write(tmp_path / name, f"question{mark}answer\r\n{_table(mark)}".encode(encoding))
    task = load_task("jsonl", train=path, **options)
    assert [example.query for example in task.train] == TEXTS
    assert {example.references for example in task.train} == {("yes",)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.json", '[{"a": "Ärger"},\n {"a": "€"}]'),
        ("r.json", '{"a": "Ärger"}\n{"a": "€"}\n'),
        ("r.jsonl", '{"a": "Ärger"}\n{"a": "€"}\n'),
        ("r.jsonl.gz", '{"a": "Ärger"}\n{"a": "€"}\n'),
    ],
)
def test_json_in_another_encoding(tmp_path: Path, name: str, text: str) -> None:
    path = _write(tmp_path / name, text.encode("cp1252"))
    assert [row.fields["a"] for row in read_rows(path, encoding="cp1252")] == ["Ärger", "€"]


def test_a_long_file_in_another_encoding_is_read_across_chunks(tmp_path: Path) -> None:
    lines = [f"é{number}" for number in range(40_000)]
    path = _write(tmp_path / "r.csv", ("a\n" + "\n".join(lines)).encode("utf-16"))
    assert [row.fields["a"] for row in read_rows(path, encoding="utf-16")] == lines


def test_bytes_that_are_not_the_encoding_are_named_with_their_line(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.csv", b"a\nx\n\x81\n")
    with pytest.raises(InputError, match=r"line 3: byte 0x81 is not cp1252, which task\.encoding names"):
        list(read_rows(path, encoding="cp1252"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delimiter": ";;"}, "one character"),
        ({"delimiter": '"'}, "one character"),
        ({"delimiter": 5}, "one character"),
        ({"encoding": "utf-9"}, "no known text encoding"),
        ({"encoding": "hex"}, "no known text encoding"),
        ({"delimiter": ";", "train": "r.jsonl"}, "no file of the task is .csv or .tsv"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_task("jsonl", **{"train": "r.csv", **options})


@pytest.mark.parametrize(("mark", "written"), [(";", '";"'), ("\t", r'"\t"'), ("|", r'"|"')])
def test_a_wrong_delimiter_says_which_option_reads_the_file(tmp_path: Path, mark: str, written: str) -> None:
    path = _write(tmp_path / "r.csv", f"a{mark}b\n1{mark}2\n".encode())
    with pytest.raises(InputError) as refused:
        list(read_rows(path))
    assert f"task.delimiter: {written}" in str(refused.value)
