"""Rows of a training in Arrow files: what is read is what was tokenized, once for all ranks, and nothing is left."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pytest

from cowest.errors import InputError
from cowest.training.row_files import RowFiles
from cowest.training.rows import ChatRow, tokenize
from cowest.types import Message
from tests.training import tiny
from tests.training.stepped import run_align, run_sft

END_IDS = [1]


def chats(count: int) -> list[ChatRow]:
    return [
        ChatRow(
            id=f"row {number} \ud800",
            prompt=[Message(role="user", content=f"question {number}")],
            completions=("yes", "no, " * (number % 5))[: number % 3],
            gain=None if number % 2 else number - 7,
        )
        for number in range(count)
    ]


def rank(number: int) -> Any:
    """As far as the arguments of a trainer say which process this is."""
    state = SimpleNamespace(is_main_process=number == 0, process_index=number, wait_for_everyone=lambda: None)
    return SimpleNamespace(distributed_state=state)


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("tokenized again")


def test_rows_come_back_as_they_were_tokenized(tmp_path: Path) -> None:
    rows, tokenizer = chats(2300), tiny.make_tokenizer()
    expected = tokenize(rows, tokenizer, END_IDS)
    with RowFiles(tmp_path / "tokens") as files:
        found = files.tokenized(rows, tokenizer, END_IDS, rank(0))
        assert list(found) == expected
        assert [found[0], found[-1], found[1500]] == [expected[0], expected[-1], expected[1500]]
        assert list(found[2290:]) == expected[2290:]
        assert list(found.take([5, 3])) == [expected[5], expected[3]]
        assert not found[2300:]
        none = files.tokenized([], tokenizer, END_IDS, rank(0))
        assert [list(none), list(none[:1]), list(none.take([]))] == [[], [], []]
    assert not (tmp_path / "tokens").exists()


def test_another_rank_reads_the_file_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, tokenizer = chats(4), tiny.make_tokenizer()
    columns = [{"input_ids": [1, 2], "label": True}, {"input_ids": [3], "label": False}]
    with RowFiles(tmp_path / "tokens") as first:
        expected = list(first.tokenized(rows, tokenizer, END_IDS, rank(0)))
        assert first.of_trainer(columns, rank(0)).to_list() == columns
        with monkeypatch.context() as patch:
            patch.setattr("cowest.training.row_files.tokenize", refuse)
            with RowFiles(tmp_path / "tokens") as second:
                assert list(second.tokenized(rows, tokenizer, END_IDS, rank(1))) == expected
                assert second.of_trainer(iter([]), rank(1)).to_list() == columns
        assert sorted(path.name for path in (tmp_path / "tokens").iterdir()) == ["columns.arrow", "rows.arrow"]
    # One that has no file of the first, since it failed or has another disk, makes its own, or fails too.
    with RowFiles(tmp_path / "tokens") as alone:
        assert list(alone.tokenized(rows, tokenizer, END_IDS, rank(1))) == expected
    with pytest.raises(InputError, match="refuses the conversation"), RowFiles(tmp_path / "tokens") as both:
        both.tokenized(rows, tiny.make_tokenizer("{{ raise_exception('no') }}"), END_IDS, rank(1))


def in_memory(self: RowFiles, columns: Any, arguments: Any) -> datasets.Dataset:
    return datasets.Dataset.from_list(list(columns))


def train(base: Path, out: Path) -> list[Path]:
    run_sft(base, out / "sft", epochs=1)
    run_align(out / "sft", out / "align")
    return [out / "sft", out / "align"]


def test_the_adapters_are_those_of_rows_in_memory(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_files = train(base, tmp_path / "files")
    monkeypatch.setattr(RowFiles, "of_trainer", in_memory)
    for one, other in zip(with_files, train(base, tmp_path / "memory"), strict=True):
        name = "adapter_model.safetensors"
        assert (one / name).read_bytes() == (other / name).read_bytes()
        assert not (one / "tokens").exists()
