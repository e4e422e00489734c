"""The command line of a server, and the part of it that is in a model's identity."""

from pathlib import Path
from typing import Any

import pytest

from cowest.engines import Adapter, EngineConfig
from cowest.engines.command import command_line, environment, settings_identity
from cowest.errors import InputError
from tests.engines.engines import adapter, deployment


def line(config: EngineConfig, folder: Path, *adapters: Adapter, **fields: Any) -> list[str]:
    given = {"port": 8123, "num_gpus": 1, "chat_template": None} | fields
    return command_line(config, deployment(folder), adapters, **given)


def after(command: list[str], flag: str, count: int = 1) -> list[str]:
    return command[command.index(flag) + 1 :][:count]


@pytest.mark.parametrize(("rank", "taken"), [(1, "8"), (8, "8"), (9, "16"), (48, "64"), (300, "320")])
def test_the_rank_is_one_that_vllm_takes(tmp_path: Path, rank: int, taken: str) -> None:
    config = EngineConfig(command=("sh", "serve"))
    assert after(line(config, tmp_path, adapter(tmp_path, "one", rank)), "--max-lora-rank") == [taken]


def test_a_rank_above_all_is_refused_and_a_given_one_is_kept(tmp_path: Path) -> None:
    large = adapter(tmp_path, "one", 1024)
    with pytest.raises(InputError, match="1024"):
        line(EngineConfig(command=("sh", "serve")), tmp_path, large)
    assert after(line(EngineConfig(command=("sh", "serve"), max_lora_rank=7), tmp_path, large), "--max-lora-rank") == [
        "7"
    ]


def test_adapters_are_name_and_path_or_json_where_a_path_has_separators(tmp_path: Path) -> None:
    plain, odd = adapter(tmp_path, "plain"), adapter(tmp_path, "r=16,a=16")
    command = line(EngineConfig(command=("sh", "serve")), tmp_path, plain, odd)
    first, second = after(command, "--lora-modules", 2)
    assert first == f"{plain.name}={plain.folder}"
    assert second == f'{{"name": "{odd.name}", "path": "{odd.folder}"}}'
    assert after(command, "--max-loras") == ["2"]


def test_without_adapters_no_flag_stands_alone(tmp_path: Path) -> None:
    assert "--enable-lora" not in line(EngineConfig(command=("sh", "serve")), tmp_path)
    later = line(EngineConfig(command=("sh", "serve"), load_at_runtime=True), tmp_path)
    assert "--enable-lora" in later
    assert "--lora-modules" not in later


def test_a_chat_template_is_a_file(tmp_path: Path) -> None:
    command = line(EngineConfig(command=("sh", "serve")), tmp_path, chat_template=tmp_path / "weak.jinja")
    assert after(command, "--chat-template") == [str(tmp_path / "weak.jinja")]


def test_json_among_the_arguments_is_no_placeholder(tmp_path: Path) -> None:
    config = EngineConfig(command=("sh", "serve"), args=("--hf-overrides", '{"rope_theta": 1e6}'))
    assert after(line(config, tmp_path), "--hf-overrides") == ['{"rope_theta": 1e6}']


def test_the_environment_has_gpus_and_key_and_nothing_of_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    variables = environment(EngineConfig(load_at_runtime=True), ("4", "5"), "secret")
    assert variables["CUDA_VISIBLE_DEVICES"] == "4,5"
    assert variables["VLLM_API_KEY"] == "secret"
    assert variables["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    assert "RANK" not in variables
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" not in environment(EngineConfig(), (), "secret")


@pytest.mark.parametrize(
    ("config", "identity"),
    [
        ({}, ""),
        ({"args": ["--max-model-len", "4096", "--gpu-memory-utilization=0.5"], "gpus": [0]}, ""),
        ({"args": ["--max-num-seqs", "8", "--quantization", "fp8"]}, "--quantization fp8"),
        ({"command": ["/opt/a/python", "-m", "engine", "{model}"]}, "-m engine {model}"),
    ],
)
def test_the_identity_has_what_may_change_the_text(config: dict[str, Any], identity: str) -> None:
    assert settings_identity(EngineConfig.model_validate(config)) == identity
