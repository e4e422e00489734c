"""What doctor finds on servers that a run starts; it starts none."""

from pathlib import Path
from typing import Any

from cowest.doctor import FAULT, FINE, NOTICE, diagnose
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from tests.engines.engines import model_folder, scripted, seen
from tests.recipes import recipe_of


def found(data: dict[str, Any], words: str) -> list[tuple[str, str]]:
    """The findings that contain `words`."""
    return [(check.mark, check.line) for check in diagnose(Pipeline(make_recipe(data)), 3) if words in check.line]


def served(folder: Path, events: Path, **settings: Any) -> dict[str, Any]:
    engine = scripted(events, **settings).model_dump(mode="json")
    return {"model": f"local/{folder}", "engine": "vllm", "vllm": engine}


def test_doctor_asks_the_engine_for_its_version_and_starts_no_server(tmp_path: Path) -> None:
    base, events = model_folder(tmp_path / "base"), tmp_path / "events.jsonl"
    data = recipe_of(tmp_path / "run", weak=served(base, events, gpus=("0", ("1", "2"))))
    ((mark, line),) = found(data, "the engine")
    assert mark == FINE
    assert "0.99.1; 2 servers (GPU 0; GPU 1, 2)" in line
    assert not seen(events, "started")
    missing = recipe_of(tmp_path / "run", weak=served(base, events, command=("/no/vllm", "serve")))
    ((mark, line),) = found(missing, "/no/vllm")
    assert mark == FAULT
    assert "uv venv" in line


def test_doctor_notices_gpus_that_are_claimed_twice(tmp_path: Path) -> None:
    base, events = model_folder(tmp_path / "base"), tmp_path / "events.jsonl"
    weak, strong = served(base, events, gpus=("0", "1")), served(base, events, gpus=("1",))
    ((mark, line),) = found(recipe_of(tmp_path / "run", weak=weak, strong=strong), "both start a server")
    assert mark == NOTICE
    assert "weak and strong both start a server on GPU 1" in line
    apart = recipe_of(tmp_path / "run", weak=weak, strong=served(base, events, gpus=("2",)))
    assert not found(apart, "both start a server")
    rlwf = recipe_of(tmp_path / "run", weak=weak, feedback={"kind": "rlwf"})
    ((mark, _),) = found(rlwf, "rlwf computes its reward")
    assert mark == NOTICE
