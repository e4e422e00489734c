import gzip
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.cli import main as cli
from cowest.errors import InputError
from cowest.tasks import _files, _json
from cowest.tasks._files import read_keyed_rows, read_rows, with_hub_split
from tests.recipes import recipe_of

ROWS: list[dict[str, Any]] = [{"q": "Wie groß ist Ärö?", "a": "88 km²"}, {"q": "line one\nline two, and", "a": 'a "b"'}]


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def _jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    import csv
    import io

    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import io

    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rows.jsonl", _jsonl(ROWS)),
        ("rows.json", json.dumps(ROWS).encode()),
        ("rows.JSON", json.dumps({"version": 1, "data": ROWS}).encode()),
        ("rows.csv", _csv(ROWS)),
        ("rows.parquet", _parquet(ROWS)),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, data: bytes, suffix: str) -> None:
    assert [row.fields for row in read_rows(_write(tmp_path / (name + suffix), data))] == ROWS


@pytest.mark.parametrize(("name", "data"), [("r.jsonl", _jsonl(ROWS)), ("r.csv", _csv(ROWS))])
def test_byte_order_mark_and_windows_line_ends(tmp_path: Path, name: str, data: bytes) -> None:
    windows = b"\xef\xbb\xbf" + data.replace(b"\r\n", b"\n").replace(b"}\n", b"}\r\n")
    assert [row.fields for row in read_rows(_write(tmp_path / name, windows))] == ROWS


def test_positions_count_lines_of_the_file(tmp_path: Path) -> None:
    blank = _write(tmp_path / "r.jsonl", b'{"a": 1}\n\n{"a": 2}')
    assert [row.position for row in read_rows(blank)] == ["line 1", "line 3"]
    table = _write(tmp_path / "r.csv", b'a\n"x\ny"\nz\n')
    assert [row.position for row in read_rows(table)] == ["line 2", "line 4"]


def test_line_separators_inside_json_strings_are_text(tmp_path: Path) -> None:
    rows = [{"q": "one\u2028two\x85three"}]
    assert [row.fields for row in read_rows(_write(tmp_path / "r.jsonl", _jsonl(rows)))] == rows


def test_long_csv_fields(tmp_path: Path) -> None:
    rows = [{"q": "x" * 200_000}]
    assert [row.fields for row in read_rows(_write(tmp_path / "r.csv", _csv(rows)))] == rows


def test_reading_streams(tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path / "r.jsonl", b'{"a": 1}\nnot json\n'))
    assert next(rows).fields == {"a": 1}
    with pytest.raises(InputError):
        next(rows)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        # bad lines
        ("r.jsonl", b'{"a": 1}\n{"a": oops}\n', ["line 2", "column 7", "not JSON", "oops"]),
        ("r.jsonl", b'{"a": ' + b"9" * 5000 + b"}\n", ["line 1", "cannot be read"]),
        ("r.jsonl", b'{"a": ' + b"[" * 100_000 + b"\n", ["line 1", "nested too deeply"]),
        ("r.jsonl", b'{"a": 1}\n{"b": {"a": 1, "c": 2, "a": 3}}\n', ["line 2", "field 'a'", "twice"]),
        ("r.json", b'[{"a": 1},\n {"a": }]', ["row 2", "line 2", "column 8", "not JSON"]),
        ("r.json", b'[{"a": 1}, 7]', ["row 2", "a number"]),
        ("r.json", b"[" * 100_000, ["nested too deeply"]),
        ("r.json", b'[{"a": 1},\n {"a": 1, "a": 2}]', ["row 2", "line 2", "field 'a'", "twice"]),
        ("r.json", b'{"data": [{"a": 1}],\n "data": []}', ["line 2", "'data'", "twice"]),
        ("r.json", b'[{"a": 1} {"a": 2}]', ["after row 1", "a comma", "'{'"]),
        ("r.json", b"{data: []}", ["line 1, column 2", "double quotes"]),
        ("r.json", b'{"data"\n []}', ["line 2", "a colon"]),
        ("r.csv", b"a,b\n1,2\n1,2,3\n", ["line 3", "3 values", "2 columns"]),
        ("r.csv", b"a,b\n1,2\n\n1\n", ["line 4", "1 values", "2 columns"]),
        ("r.csv", b"a,b,a\n1,2,3\n", ["line 1", "'a'", "more than once"]),
        ("r.csv", b'a,b\n"x"y,2\n', ["line 2", "not CSV"]),
        ("r.csv", b'a,b\n1,2\n1,"x\n1,2\n', ["line 3", "not CSV", "never be closed"]),
        ("r.parquet", b"PAR1 but not really", ["row 0", "Parquet"]),
        # cut short
        ("r.json", b'[{"a": 1}, {"a": 2}', ["after row 2", "']'", "cut short"]),
        ("r.json", b'[{"a": 1}, {"a": 2', ["row 2", "cut short"]),
        ("r.json", b'[{"a": 1}, {"a": "x', ["row 2", "cut short"]),
        ("r.json", b'{"data": [{"a": 1}]', ["'}'", "cut short"]),
        ("r.json", b"", ["line 1", "is empty"]),
        # the wrong encoding
        ("r.jsonl", b'{"a": 1}\n{"a": "caf\xe9"}\n', ["line 2", "0xe9", "UTF-8"]),
        ("r.json", b'[{"a": 1},\n {"a": "caf\xe9"}]', ["line 2", "0xe9", "UTF-8"]),
        ("r.csv", b"a,b\n1,caf\xe9\n", ["line 2", "0xe9", "UTF-8"]),
        ("r.jsonl", '{"a": 1}\n'.encode("utf-16"), ["line 1", "looks like UTF-16", "iconv"]),
        ("r.json", '[{"a": 1}]'.encode("utf-16-be"), ["line 1", "null byte", "UTF-16"]),
        ("r.csv", b"\xfe\xff" + "a,b\n".encode("utf-16-be"), ["line 1", "looks like UTF-16"]),
        ("r.csv", b"a,b\n1,2\n1,\0\n", ["line 3", "null byte"]),
        ("r.jsonl", b'{"a": 1}\n{"a": "\0"}\n', ["line 2", "null byte"]),
        ("r.json", b'[{"a":\n "\0"}]', ["line 2", "null byte"]),
        # another shape than the name says
        ("r.jsonl", b'{"a": 1}\n[1]\n', ["line 2", "JSON object", "a list"]),
        ("r.jsonl", b'[{"a": 1}, {"a": 2}]', ["line 1", "a list", "name it .json."]),
        ("r.jsonl", b'[\n {"a": 1}\n]', ["line 1", "not JSON", "name it .json."]),
        ("r.jsonl", b'{\n "a": 1\n}', ["line 1", "not JSON", "several lines"]),
        ("r.json", b'{"a": 1}\n{"a": }\n', ["line 2", "not JSON"]),
        ("r.json", b'{"rows": []}', ["JSON list", "an object", ".jsonl"]),
        ("r.json", b"7", ["JSON list", "a number"]),
        ("r.json", b"[] []", ["column 4", "more after the end"]),
        ("r.csv", b"a;b\n1;2\n", ["line 1", "'a;b'", "semicolons", "commas"]),
        ("r.csv", b"a\tb\n1\t2\n", ["line 1", "tabs"]),
        ("r.csv", b"PK\x03\x04", ["spreadsheet", "CSV"]),
        ("r.jsonl", gzip.compress(b"{}\n", mtime=0), ["looks like gzip", ".gz"]),
        ("r.json", b"PAR1", ["looks like Parquet"]),
        ("r.txt", b"", ["unknown format", ".parquet"]),
    ],
)
def test_broken_files_name_the_place(tmp_path: Path, name: str, data: bytes, words: list[str]) -> None:
    location = _write(tmp_path / name, data)
    with pytest.raises(InputError) as caught:
        list(read_rows(location))
    for word in [repr(location), *words]:
        assert word in str(caught.value)


def test_parquet_columns_that_are_no_text_or_occur_twice(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    location = str(tmp_path / "r.parquet")
    text = pyarrow.array([b"x", b"caf\xe9"]).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"a": ["x", "y"], "b": text}), location)
    with pytest.raises(InputError, match="row 2, field 'b': byte 0xe9 is not UTF-8"):
        list(read_rows(location))
    column = pyarrow.array(["x"])
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays([column, column], ["a", "a"]), location)
    with pytest.raises(InputError, match="the columns 'a' occur more than once"):
        list(read_rows(location))


@pytest.mark.parametrize("window", [1, 3, 17, 64])
def test_json_documents_read_the_same_through_any_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(_json, "_CHUNK", window)
    rows: list[dict[str, Any]] = [
        {"text": 'ß "quoted" \\ \u2028 \U0001f600', "escaped": "\ud83d"},
        {"whole": 10**30, "part": -1.5e-7, "huge": float("-inf"), "many": [1, [2.0, None], {"k": True}]},
        {},
    ]
    text = json.dumps(rows, indent=1, ensure_ascii=False).replace("\ud83d", r"\ud83d").replace("😀", r"\ud83d\ude00")
    for document in (text, f' {{"version": 1234567, "data": {text} , "note": "x"}}\n'):
        read = [row.fields for row in read_rows(_write(tmp_path / "r.json", document.encode()))]
        assert read == rows
        assert [type(value) for value in read[1].values()] == [int, float, float, list]


@pytest.mark.parametrize("window", [1, 5, 2**18])
def test_json_faults_keep_their_place_in_any_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(_json, "_CHUNK", window)
    rows = "".join(f'{{"n": {n}}},\n' for n in range(50))
    for fault, place in [("\n  [oops]", "row 51, line 52, column 4"), ('"' + "x" * 99, "row 51, line 51, column 1")]:
        location = _write(tmp_path / "r.json", f"[{rows}{fault}".encode())
        with pytest.raises(InputError, match=place):
            list(read_rows(location))


def test_json_streams(tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path / "r.json", b'[{"a": 1}, {"a": "' + b"x" * 2**19 + b'"}, oops'))
    assert next(rows).fields == {"a": 1}
    assert len(next(rows).fields["a"]) == 2**19
    with pytest.raises(InputError, match="row 3"):
        next(rows)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_keyed_rows(tmp_path: Path, suffix: str) -> None:
    location = _write(tmp_path / f"r.json{suffix}", b'{"10": {"q": "x"},\n "9": {"q": "y"}}')
    read = [(key, row.position, row.fields) for key, row in read_keyed_rows(location)]
    assert read == [("10", "entry '10'", {"q": "x"}), ("9", "entry '9'", {"q": "y"})]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("r.json", b'{"a": {"q": 1},\n "b": {}, "a": {"q": 2}}', ["line 2", "'a'", "twice"]),
        ("r.json", b'{"a": {"q": oops}}', ["entry 'a'", "line 1", "not JSON"]),
        ("r.json", b'{"a": 7}', ["entry 'a'", "a number"]),
        ("r.json", b'[{"q": 1}]', ["a list", "maps an id"]),
        ("r.jsonl", b"{}", [".json or .json.gz"]),
    ],
)
def test_faults_of_keyed_rows(tmp_path: Path, name: str, data: bytes, words: list[str]) -> None:
    location = _write(tmp_path / name, data)
    with pytest.raises(InputError) as caught:
        list(read_keyed_rows(location))
    for word in [repr(location), *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("r.jsonl", b'{"a": 1}\n{"a": "' + b"x" * 300 + b'"}\n', ["line 2", "longer than", "line breaks"]),
        ("r.jsonl", b'[{"a": 1}, ' + b" " * 300, ["line 1", "longer than", "name it .json"]),
        ("r.json", b'[{"a": 1}, {"a": "' + b"x" * 300 + b'"}]', ["row 2", "larger than", "never closed"]),
        ("r.json", b'{"a": {"b": [' + b"1, " * 100 + b"]}}", ["larger than", "list of objects"]),
        ("r.json", b'{"rows": [' + b"1, " * 100 + b"1]}", ["must hold a JSON list", "under 'data'"]),
        ("r.json", b'{"rows": [' + b"1, " * 100 + b"oops]}", ["'rows', entry 101, line 1", "not JSON"]),
        ("r.csv", b'a,b\n1,2\n1,"' + b"x,\n" * 100, ["line 3", "never be closed"]),
    ],
)
def test_rows_beyond_the_limit_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, words: list[str]
) -> None:
    for module in (_files, _json):
        monkeypatch.setattr(module, "MAX_ROW", 200)
    monkeypatch.setattr(_json, "_CHUNK", 16)
    with pytest.raises(InputError) as caught:
        list(read_rows(_write(tmp_path / name, data)))
    for word in words:
        assert word in str(caught.value)


def test_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = _write(tmp_path / "r.jsonl", b"{}\n")

    def refuse(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="cannot be read after 0 rows: Permission denied"):
        list(read_rows(location))


@pytest.mark.parametrize("keep", [0.5, 0.999])
def test_truncated_gzip(tmp_path: Path, keep: float) -> None:
    whole = gzip.compress(_jsonl([{"a": n} for n in range(1000)]))
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError, match=r"broken gzip file after \d+ rows"):
        list(read_rows(str(path)))


def test_gzip_by_name_only(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(_jsonl(ROWS))
    with pytest.raises(InputError, match="not gzip at all"):
        list(read_rows(str(path)))


def test_missing_files_name_the_nearest(tmp_path: Path) -> None:
    _write(tmp_path / "train.jsonl", b"")
    with pytest.raises(InputError, match=r"does not exist\. Did you mean 'train\.jsonl'"):
        read_rows(str(tmp_path / "trian.jsonl"))
    with pytest.raises(InputError, match="nor does its folder"):
        read_rows(str(tmp_path / "data" / "train.jsonl"))
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_rows(str(tmp_path / "folder.jsonl"))


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load_dataset(name: str, config: str | None, *, split: str) -> list[dict[str, Any]]:
        asked.append((name, config, split))
        if name == "gone":
            raise RuntimeError("no such data set.")
        return [{"a": 1}]

    fake = types.ModuleType("datasets")
    fake.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", fake)
    assert [row.fields for row in read_rows("hub:owner/name@small:dev")] == [{"a": 1}]
    assert [row.position for row in read_rows("hub:name")] == ["row 1"]
    assert asked == [("owner/name", "small", "dev"), ("name", None, "train")]
    with pytest.raises(InputError, match="no such data set"):
        list(read_rows("hub:gone"))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="Install"):
        list(read_rows("hub:name"))


def test_a_hub_location_gets_the_split_it_stands_for() -> None:
    assert with_hub_split("hub:owner/name", "test") == "hub:owner/name:test"
    assert with_hub_split("hub:owner/name:dev", "test") == "hub:owner/name:dev"
    assert with_hub_split("data/x.jsonl", "test") == "data/x.jsonl"
    assert with_hub_split(None, "test") is None


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("r.jsonl.gz", gzip.compress(b'{"question": "x", "answer": "y"}\n' * 99, mtime=0)[:-9], "broken gzip file"),
        ("r.jsonl", b'{"question": "x", "answer": "y"}\n{"question": "x", "answer"\n', "line 2, column 27"),
        ("r.csv", b"question,answer\nx,caf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        ("r.csv", b"question,reply\nx,y\n", "line 2, field 'answer': the row has no such field"),
        ("r.jsonl", b'{"question": "x", "answer": null}\n', "line 1, field 'answer': the value is null"),
        ("r.json", b'{"question": "x", "answer": "y"}', "name it .jsonl"),
        ("r.jsonl", b"", "holds no example"),
        ("r.csv", b"question,answer\n", "holds no example"),
    ],
)
def test_the_command_line_says_so_and_exits_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, words: str
) -> None:
    good = _write(tmp_path / "good.jsonl", b'{"question": "Q", "answer": "y"}\n')
    (tmp_path / name).write_bytes(data)
    task = {"name": "jsonl", "train": good, "test": str(tmp_path / name)}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(tmp_path / "run", task=task)))
    assert cli.main(["evaluate", str(recipe)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert words in said
    assert name in said
    assert "Traceback" not in said


def test_the_command_line_names_both_rows_of_an_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = b'{"question": "x", "answer": "y", "key": "a"}\n\n{"question": "z", "answer": "y", "key": "a"}\n'
    good = _write(tmp_path / "good.jsonl", b'{"question": "Q", "answer": "y", "key": "a"}\n')
    task = {"name": "jsonl", "train": good, "test": _write(tmp_path / "r.jsonl", rows), "id": "key"}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(tmp_path / "run", task=task)))
    assert cli.main(["evaluate", str(recipe)]) == 2
    assert "line 3, field 'key': the id 'a' is already that of line 1" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["rows.json", "rows.json.gz"])
def test_one_object_a_line_may_be_named_json(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = b'\xef\xbb\xbf{"a": 1, "data": [1]}\n{"a": 2}\n'
    path.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    assert [(row.position, row.value("a")) for row in read_rows(str(path))] == [("line 1", 1), ("line 2", 2)]


def test_a_document_over_several_lines_is_no_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{"data":\n[{"a": 1},\n{"a": 2}]}\n')
    assert [row.value("a") for row in read_rows(str(path))] == [1, 2]
