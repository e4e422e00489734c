"""Several processes: who writes, and what is refused."""

from pathlib import Path

import pytest

from cowest import distributed
from cowest.errors import InputError
from tests.recipes import run


def test_one_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert distributed.is_main_process()
    assert distributed.num_processes() == 1


def test_a_launcher_says_who_is_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not distributed.is_main_process()
    assert distributed.num_processes() == 2


def test_feedback_and_evaluate_are_for_one_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for stage in ("feedback", "evaluate"):
        with pytest.raises(InputError, match="started in 2 processes"):
            run(tmp_path, stage)
