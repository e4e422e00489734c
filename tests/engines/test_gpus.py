"""Which GPUs servers are placed on, where the recipe does not say."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from cowest.engines import EngineConfig
from cowest.engines.gpus import places


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def driver(folder: Path, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)


def test_gpus_of_the_recipe_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    config = EngineConfig.model_validate({"gpus": [0, [1, 2], "MIG-1a/2"]})
    assert places(config) == [("0",), ("1", "2"), ("MIG-1a/2",)]


@pytest.mark.parametrize(
    ("named", "expected"), [("2,3", [("2",), ("3",)]), ("GPU-1a", [("GPU-1a",)]), ("", [()]), ("-1", [()])]
)
def test_then_those_that_the_process_may_use(
    monkeypatch: pytest.MonkeyPatch, named: str, expected: list[tuple[str, ...]]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert places(EngineConfig()) == expected


@pytest.mark.parametrize(
    ("script", "expected"), [("echo 0; echo 1", [("0",), ("1",)]), ("echo no driver; exit 9", [()])]
)
def test_then_those_of_the_driver(tmp_path: Path, script: str, expected: list[tuple[str, ...]]) -> None:
    assert places(EngineConfig()) == [()]  # no driver: one server, which finds out for itself
    driver(tmp_path, script)
    assert places(EngineConfig()) == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gpus": [0, [1, 0]]}, "twice"),
        ({"gpus": [[]]}, "empty entry"),
        ({"ports": [9000, 8000]}, "first and the last"),
        ({"ports": [8000]}, "at least 2"),
        ({"gpus": [-1]}, "greater than or equal"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EngineConfig.model_validate(settings)
