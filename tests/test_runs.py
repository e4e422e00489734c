"""The run's folder: files whole or not at all."""

import os
from pathlib import Path

import pytest

from cowest import runs
from cowest.errors import CowestError, InputError
from cowest.types import Message


def test_json_lines_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rows.jsonl"
    runs.write_jsonl(path, [{"a": "é\u2028"}, Message(role="user", content="x\ny")])
    assert list(runs.read_jsonl(path)) == [{"a": "é\u2028"}, {"role": "user", "content": "x\ny"}]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    runs.write_json(path, {"old": True})

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CowestError, match="No space"):
        runs.write_json(path, {"new": True})
    assert runs.read_json(path) == {"old": True}


def test_broken_files_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(InputError, match="line 2"):
        list(runs.read_jsonl(path))
    with pytest.raises(InputError, match="not valid JSON"):
        runs.read_json(path)
    with pytest.raises(InputError, match="does not exist"):
        runs.read_json(tmp_path / "none.json")
    with pytest.raises(InputError, match="does not exist"):
        list(runs.read_jsonl(tmp_path / "none.jsonl"))


def test_a_folder_that_cannot_be_made_is_the_users_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be used"), runs.RunFolder(tmp_path / "file" / "run").lock():
        pass


@pytest.mark.parametrize(
    ("there", "kept", "left"),
    [
        (None, [], []),
        ("runs", [], ["runs"]),
        ("runs/x", [], ["runs", "runs/x", "runs/x/.lock"]),
        (None, ["sft"], ["runs", "runs/x", "runs/x/.lock", "runs/x/sft"]),
    ],
)
def test_a_run_in_which_nothing_happened_leaves_no_folder(
    tmp_path: Path, there: str | None, kept: list[str], left: list[str]
) -> None:
    if there:
        (tmp_path / there).mkdir(parents=True)
    run = runs.RunFolder(tmp_path / "runs" / "x")
    with run.lock():
        assert (run.path / ".lock").is_file()
        for name in kept:
            (run.path / name).mkdir()
        if not there and not kept:
            assert run.id
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == left


def test_paths(tmp_path: Path) -> None:
    folder = runs.RunFolder(tmp_path)
    assert folder.feedback(2) == tmp_path / "round-2" / "feedback"
    assert folder.align(1) == tmp_path / "round-1" / "align"
    assert (folder.sft, folder.evaluate) == (tmp_path / "sft", tmp_path / "evaluate")
    assert folder.page.name == "report.html"


def test_what_cannot_be_read_is_the_users_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file"):
        runs.read_json(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n3\n')
    with pytest.raises(InputError, match="line 2 is not a JSON object"):
        list(runs.read_jsonl(tmp_path / "rows.jsonl"))
    (tmp_path / "rows.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        list(runs.read_jsonl(tmp_path / "rows.jsonl"))


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "round-1").write_text("")
    with pytest.raises(CowestError, match=r"round-1.*cannot be written"):
        runs.write_text(tmp_path / "round-1/feedback/x", "")


def test_the_id_of_a_run_stays_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = runs.RunFolder(tmp_path / "a").id
    assert first
    assert first != runs.RunFolder(tmp_path / "b").id
    (tmp_path / "a").rename(tmp_path / "moved")
    assert runs.RunFolder(tmp_path / "moved").id == first
    with pytest.raises(CowestError, match=r"\.run-id' cannot be written"):
        _ = runs.RunFolder(tmp_path / "nowhere").id


def make_rounds(folder: Path, recipe: str, *names: str) -> runs.RunFolder:
    (folder / "recipe.yaml").write_text(recipe)
    for name in names:
        (folder / name).mkdir()
    return runs.RunFolder(folder)


def test_rounds_are_those_that_are_planned_and_those_on_disk(tmp_path: Path) -> None:
    folder = make_rounds(tmp_path, "rounds: 2\n")
    assert (list(folder.rounds()), folder.rounds_begun()) == ([1, 2], [])
    for name in ("round-11", "round-1", "round-3"):
        (tmp_path / name).mkdir()
    assert list(folder.rounds()) == list(range(1, 12))
    assert folder.rounds_begun() == [1, 3, 11]


def test_what_is_no_rounds_folder_is_no_round(tmp_path: Path) -> None:
    names = ("round-300000000", "round-101", "round-0", "round-01", "round-x", "round-1.old", "my-round-7", "round-")
    folder = make_rounds(tmp_path, "rounds: 1\n", *names)
    assert (list(folder.rounds()), folder.rounds_begun()) == ([1], [])
    (tmp_path / "round-100").mkdir()
    assert (len(folder.rounds()), folder.rounds_begun()) == (100, [100])


@pytest.mark.parametrize(
    "recipe",
    ["rounds: many\n", "rounds: 0\n", "rounds: -3\n", "rounds: 300000000\n", "rounds: [", "- a list", "", "\x00"],
)
def test_a_recipe_that_plans_no_number_of_rounds_has_one(tmp_path: Path, recipe: str) -> None:
    assert list(make_rounds(tmp_path, recipe).rounds()) == [1]


def test_a_recipe_that_is_missing_or_broken_is_empty(tmp_path: Path) -> None:
    assert runs.RunFolder(tmp_path).read_recipe() == {}
    assert make_rounds(tmp_path, "rounds: 2\ntask: {name: ifqa}\n").read_recipe() == {
        "rounds": 2,
        "task": {"name": "ifqa"},
    }
    for broken in (b"rounds: [", b"- 1\n", b"\xff\xfe\x00", b"[" * 10_000):
        (tmp_path / "recipe.yaml").write_bytes(broken)
        assert runs.RunFolder(tmp_path).read_recipe() == {}
