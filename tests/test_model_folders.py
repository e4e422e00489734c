"""Model folders and hub ids: what is found, what is fetched, and what counts as the same model."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cowest import model_folders
from cowest.errors import InputError


def model_at(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def adapter_at(folder: Path, base: str, weights: str = model_folders.ADAPTER_WEIGHTS) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, "r": 4}))
    (folder / weights).write_bytes(b"delta")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands in for the hub: a repository of two files, one of which is in the cache; returns what it was asked."""
    asked: list[dict[str, Any]] = []

    def snapshot_download(name: str, **options: Any) -> Any:
        asked.append({"name": name, **options})
        files = [SimpleNamespace(file_size=7, will_download=False), SimpleNamespace(file_size=9, will_download=True)]
        return files if options.get("dry_run") else "/the/cache"

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return asked


def test_a_location_is_a_folder_or_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_folders.find_folder(str(model_at(tmp_path / "runs/weak"))) == tmp_path / "runs/weak"
    assert model_folders.find_folder("some-org/some-model") is None
    for location in ("runs/strong", "./some-org/some-model", "some-org/some/model", "gpt2", str(tmp_path / "no")):
        with pytest.raises(InputError, match="no model folder"):
            model_folders.find_folder(location)


def test_the_bytes_to_download_are_counted_without_a_download(tmp_path: Path, hub: list[dict[str, Any]]) -> None:
    assert model_folders.bytes_to_download(str(model_at(tmp_path / "model"))) == 0
    assert hub == []
    assert model_folders.bytes_to_download("some-org/some-model") == 9
    assert model_folders.bytes_to_download(str(adapter_at(tmp_path / "adapter", "some-org/some-model"))) == 9
    assert all(asked["dry_run"] for asked in hub)
    assert model_folders.download("some-org/some-model") == Path("/the/cache")
    assert hub[-1]["allow_patterns"] == hub[0]["allow_patterns"]


@pytest.mark.parametrize("cached", [True, False])
def test_without_a_network_the_cache_decides(monkeypatch: pytest.MonkeyPatch, cached: bool) -> None:
    from huggingface_hub.errors import DryRunError, LocalEntryNotFoundError

    def snapshot_download(name: str, *, dry_run: bool = False, local_files_only: bool = False, **options: Any) -> str:
        if dry_run:
            raise DryRunError("offline")
        assert local_files_only
        if not cached:
            raise LocalEntryNotFoundError("Outgoing traffic has been disabled. Pass 'local_files_only=False' as input.")
        return "/the/cache"

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    if cached:
        assert model_folders.bytes_to_download("some-org/some-model") == 0
        return
    with pytest.raises(InputError, match=r"hub.*not in the cache") as caught:
        model_folders.bytes_to_download("some-org/some-model")
    assert "local_files_only" not in str(caught.value)  # an argument of the hub's client, which nobody here passes


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    folder = model_at(tmp_path / "model")
    model_folders.require_whole(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="has no weights"):
        model_folders.require_whole(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"has no config\.json"):
        model_folders.require_whole(folder)


@pytest.mark.parametrize(
    ("content", "says"), [("{", "cannot be read"), ("[]", "holds no settings"), ("{}", "names no base model")]
)
def test_an_adapter_whose_settings_are_broken(tmp_path: Path, content: str, says: str) -> None:
    adapter = adapter_at(tmp_path / "a", "x/y")
    assert model_folders.base_of(adapter) == "x/y"
    (adapter / "adapter_config.json").write_text(content)
    with pytest.raises(InputError, match=says):
        model_folders.base_of(adapter)


@pytest.mark.parametrize("weights", ["adapter_model.safetensors", "adapter_model.bin"])
def test_identity_follows_an_adapters_weights_and_shape_not_its_bases_place(tmp_path: Path, weights: str) -> None:
    first = adapter_at(tmp_path / "a", "x/y", weights)
    second = adapter_at(tmp_path / "b", "elsewhere/y", weights)
    assert model_folders.identity([first]) == model_folders.identity([second])
    (second / weights).write_bytes(b"other")
    assert model_folders.identity([first]) != model_folders.identity([second])
    (second / weights).write_bytes(b"delta")
    (second / "adapter_config.json").write_text(json.dumps({"r": 8}))
    assert model_folders.identity([first]) != model_folders.identity([second])


@pytest.mark.parametrize("name", ["special_tokens_map.json", "added_tokens.json", "spiece.model"])
def test_identity_follows_every_file_that_decides_the_tokens(tmp_path: Path, name: str) -> None:
    plain, other = model_at(tmp_path / "plain"), model_at(tmp_path / "other")
    (other / name).write_text('{"eos_token": "<e>"}')
    assert model_folders.identity([plain]) != model_folders.identity([other])
