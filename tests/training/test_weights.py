import json
import shutil
import sys
from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.training import weights
from cowest.training.trained import TrainedModel
from tests.training import tiny


@pytest.mark.parametrize("prefix", ["", "local/"])
def test_folder_with_and_without_prefix(base: Path, prefix: str) -> None:
    found = weights.find(f"{prefix}{base}")
    assert (found.path, found.adapter) == (str(base), None)


def test_hub_id_is_left_to_the_hub() -> None:
    assert weights.find("local/meta-llama/Meta-Llama-3-8B-Instruct").path == "meta-llama/Meta-Llama-3-8B-Instruct"


def test_the_identity_of_a_hub_model_holds_the_commit_that_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert weights._cached_commit("someone/model") is None
    folder = tmp_path / "models--someone--model"
    for commit in ("a" * 40, "b" * 40):
        (folder / "snapshots" / commit).mkdir(parents=True)
        (folder / "snapshots" / commit / "config.json").write_text("{}")
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(commit)
        assert weights._cached_commit("someone/model") == commit


def test_folder_inside_a_package_keeps_its_location(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_package").mkdir()
    (tmp_path / "some_package" / "__init__.py").touch()
    shutil.copytree(base, tmp_path / "some_package" / "weak")
    monkeypatch.syspath_prepend(tmp_path)
    found = weights.find("local/some_package:weak")
    assert (found.base, found.path) == ("some_package:weak", str(tmp_path / "some_package" / "weak"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai/gpt-4.1", "endpoint"),
        ("local//no/such/folder", "no model folder"),
        ("./nothing", "no model folder"),
        ("no_package:folder", "no model folder"),
    ],
)
def test_what_cannot_be_trained(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        weights.find(name)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer*"])
def test_model_folder_that_is_not_whole(base: Path, tmp_path: Path, missing: str) -> None:
    shutil.copytree(base, tmp_path / "m")
    for file in (tmp_path / "m").glob(missing):
        file.unlink()
    with pytest.raises(InputError, match=r"has no (config|weights|tokenizer)"):
        weights.find(str(tmp_path / "m"))


def adapter_on(base: str, folder: Path) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    (folder / "adapter_model.safetensors").write_bytes(b"x")
    return folder


def test_adapter_names_its_base(base: Path, tmp_path: Path) -> None:
    adapter = adapter_on(str(base), tmp_path / "a")
    assert weights.find(str(adapter)) == weights.Weights(base=str(base), path=str(base), adapter=adapter)


def test_adapter_without_weights_or_on_an_adapter(base: Path, tmp_path: Path) -> None:
    first = adapter_on(str(base), tmp_path / "a")
    with pytest.raises(InputError, match="Merge"):
        weights.find(str(adapter_on(str(first), tmp_path / "b")))
    (first / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"adapter_model\.safetensors"):
        weights.find(str(first))


def test_identity_follows_content_not_place(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "copy")
    assert weights.find(str(tmp_path / "copy")).identity() == weights.find(str(base)).identity()
    tiny.build(tmp_path / "other", seed=1)
    assert weights.find(str(tmp_path / "other")).identity() != weights.find(str(base)).identity()
    (tmp_path / "copy" / "chat_template.jinja").write_text("{{ messages }}")
    assert weights.find(str(tmp_path / "copy")).identity() != weights.find(str(base)).identity()


def test_identity_of_an_adapter_ignores_what_else_lies_in_its_folder(base: Path, tmp_path: Path) -> None:
    adapter = adapter_on(str(base), tmp_path / "a")
    before = weights.find(str(adapter)).identity()
    (adapter / "inputs.json").write_text("{}")
    assert weights.find(str(adapter)).identity() == before
    (adapter / "adapter_model.safetensors").write_bytes(b"y")
    assert weights.find(str(adapter)).identity() != before


def test_missing_extras_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(InputError, match=r"pip install 'cowest\[train\]'"):
        weights.require_extras()


def test_trained_model_reads_what_is_finished_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished training"):
        TrainedModel.read(tmp_path)
    (tmp_path / "training.json").write_text(json.dumps({"adapter": ".", "base": "org/name"}))
    trained = TrainedModel.read(tmp_path)
    assert (str(trained), trained.base) == (f"local/{tmp_path}", "org/name")
