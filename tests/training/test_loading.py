import json
import shutil
from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.training import loading, weights
from tests.training import tiny


def test_model_without_chat_template(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "m", template=None)
    with pytest.raises(InputError, match="no chat template"):
        loading.load_tokenizer(weights.find(str(folder)))


def test_tokenizer_without_end_token(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "m")
    config = json.loads((tmp_path / "m" / "tokenizer_config.json").read_text())
    (tmp_path / "m" / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": None}))
    with pytest.raises(InputError, match="eos_token"):
        loading.load_tokenizer(weights.find(str(tmp_path / "m")))


def test_tokenizer_without_padding_pads_with_the_end_token(tmp_path: Path) -> None:
    tokenizer = loading.load_tokenizer(weights.find(str(tiny.build(tmp_path / "m", pad=False))))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id


def test_context_is_the_smaller_of_model_and_tokenizer(base: Path) -> None:
    found = weights.find(str(base))
    tokenizer, config = loading.load_tokenizer(found), loading.load_config(found)
    assert loading.context_length(config, tokenizer) == 512
    tokenizer.model_max_length = 100
    assert loading.context_length(config, tokenizer) == 100


def test_end_ids_are_the_tokenizers_and_the_generation_configs(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "m")
    (tmp_path / "m" / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 1, 9]}))
    found = weights.find(str(tmp_path / "m"))
    assert loading.end_ids(found, loading.load_tokenizer(found)) == [1, 7, 9]


def test_broken_weights(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="cannot be loaded"):
        loading.load_model(weights.find(str(tmp_path / "m")), bf16=False)


def test_unknown_architecture(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text(json.dumps({"model_type": "no-such-type"}))
    with pytest.raises(InputError, match="no-such-type"):
        loading.load_config(weights.find(str(tmp_path / "m")))
