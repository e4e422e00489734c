import gzip
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.tasks._files import read_rows, with_hub_split

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
        ("r.jsonl", b'{"a": 1}\n{"a": oops}\n', ["line 2", "column 7", "not JSON", "oops"]),
        ("r.jsonl", b'{"a": 1}\n[1]\n', ["line 2", "JSON object", "a list"]),
        ("r.jsonl", b'{"a": 1}\n{"a": "caf\xe9"}\n', ["line 2", "0xe9", "UTF-8"]),
        ("r.jsonl", b'{"a": ' + b"9" * 5000 + b"}\n", ["line 1", "cannot be read"]),
        ("r.json", b'[{"a": 1},\n {"a": }]', ["line 2", "not JSON"]),
        ("r.json", b'[{"a": 1},\n {"a": "caf\xe9"}]', ["line 2", "UTF-8"]),
        ("r.json", b'{"rows": []}', ["JSON list", "an object", ".jsonl"]),
        ("r.json", b'[{"a": 1}, 7]', ["row 2", "a number"]),
        ("r.json", b"[" * 100_000, ["nested too deeply"]),
        ("r.csv", b"a,b\n1,2\n1,2,3\n", ["line 3", "3 values", "2 columns"]),
        ("r.csv", b"a,b,a\n1,2,3\n", ["'a'", "more than once"]),
        ("r.csv", b'a,b\n"x"y,2\n', ["line 2", "not CSV"]),
        ("r.csv", b"a,b\n1,caf\xe9\n", ["line 2", "UTF-8"]),
        ("r.parquet", b"PAR1 but not really", ["Parquet"]),
        ("r.txt", b"", ["unknown format", ".parquet"]),
    ],
)
def test_broken_files_name_the_place(tmp_path: Path, name: str, data: bytes, words: list[str]) -> None:
    location = _write(tmp_path / name, data)
    with pytest.raises(InputError) as caught:
        list(read_rows(location))
    for word in [repr(location), *words]:
        assert word in str(caught.value)


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
