"""The command line of a server, from the recipe's command and what is to be served."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cowest.engines.config import EngineConfig
from cowest.engines.deployment import Adapter, Deployment
from cowest.engines.version import find_program
from cowest.errors import InputError

HOST = "127.0.0.1"

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Those that vLLM takes for --max-lora-rank."""

MAX_ADAPTERS_AT_ONCE = 4
"""Adapters of one batch; more wait for their turn, since each takes GPU memory."""

_STANDARD = (
    *("{model}", "--served-model-name", "{name}", "--host", "{host}", "--port", "{port}"),
    *("--dtype", "{dtype}", "--seed", "{seed}", "--tokenizer", "{tokenizer}", "--tensor-parallel-size", "{num_gpus}"),
    "--disable-uvicorn-access-log",
)
_CHAT_TEMPLATE = ("--chat-template", "{chat_template}")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_RESOURCES = frozenset(
    "--gpu-memory-utilization --max-num-seqs --max-num-batched-tokens --max-model-len --swap-space --cpu-offload-gb "
    "--enable-prefix-caching --no-enable-prefix-caching --mem-fraction-static --max-running-requests".split()
)
"""Arguments that change how fast an engine is, and not what it says beyond rounding."""

_OF_THIS_PROCESS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Set by accelerate and torchrun; an engine would take them for its own."""


def command_line(
    config: EngineConfig,
    deployment: Deployment,
    adapters: Sequence[Adapter],
    *,
    port: int,
    num_gpus: int,
    chat_template: Path | None,
) -> list[str]:
    """The whole command of one server.

    Args:
        adapters: those that are there from the start.
        chat_template: the file with the deployment's; None where it has none.

    Raises:
        InputError: the program does not exist, a placeholder is unknown, or a rank is above all that vLLM takes.
    """
    template = (*config.command, *(() if is_template(config) else _STANDARD), *config.args)
    if chat_template is not None and "{chat_template}" not in template:
        template += _CHAT_TEMPLATE
    if adapters or config.load_at_runtime:
        template += config.adapter_args
    values = {
        "model": str(deployment.model),
        "name": deployment.name,
        "tokenizer": str(deployment.tokenizer),
        "host": HOST,
        "port": str(port),
        "dtype": deployment.dtype,
        "seed": str(deployment.seed),
        "num_gpus": str(max(1, num_gpus)),
        "max_lora_rank": str(config.max_lora_rank or _rank(adapters)),
        "num_adapters": str(min(max(1, len(adapters)), MAX_ADAPTERS_AT_ONCE)),
    }
    if chat_template is not None:
        values["chat_template"] = str(chat_template)
    filled: list[str] = []
    for part in template[1:]:
        if part != "{adapters}":
            filled.append(_fill(part, values))
        elif adapters:
            filled += [_named_path(adapter) for adapter in adapters]
        else:
            filled.pop()  # their flag, which may not stand without values
    return [find_program(config.command), *filled]


def environment(config: EngineConfig, gpus: Sequence[str], key: str) -> dict[str, str]:
    """The environment of a server: this process's, its GPUs, and the key that it asks of clients.

    The key is here and not in the command line, which everybody on the machine can read.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _OF_THIS_PROCESS}
    variables |= {"VLLM_API_KEY": key, "PYTHONUNBUFFERED": "1"}
    if gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    if config.load_at_runtime:
        variables["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "True"
    return variables


def request_model(config: EngineConfig, deployment: Deployment, adapter: Adapter | None) -> str:
    """What a request calls the model with this adapter.

    Raises:
        InputError: `adapter_model` has an unknown placeholder.
    """
    if adapter is None:
        return deployment.name
    return _fill(config.adapter_model, {"name": deployment.name, "adapter": adapter.name})


def settings_identity(config: EngineConfig) -> str:
    """The part of the command that may change what the engine says, for a model's identity; empty where it has none."""
    given = (*(config.command[1:] if is_template(config) else ()), *config.args)
    kept: list[str] = []
    skipping = False
    for part in given:
        if part.startswith("-"):
            skipping = part.partition("=")[0] in _RESOURCES
        if not skipping:
            kept.append(part)
    return " ".join(kept)


def is_template(config: EngineConfig) -> bool:
    """Whether the command names its arguments itself, with placeholders."""
    return any(_PLACEHOLDER.search(part) for part in config.command)


def _fill(part: str, values: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise InputError(
                f"The engine's command has {match[0]!r} in {part!r}, which means nothing here. Placeholders: "
                f"{', '.join(f'{{{name}}}' for name in values)}."
            )
        return values[match[1]]

    return part if part.startswith('{"') else _PLACEHOLDER.sub(value, part)  # JSON has braces of its own


def _named_path(adapter: Adapter) -> str:
    folder = str(adapter.folder.resolve())
    if "=" in folder or "," in folder:  # which vLLM takes for separators
        return json.dumps({"name": adapter.name, "path": folder})
    return f"{adapter.name}={folder}"


def _rank(adapters: Sequence[Adapter]) -> int:
    largest = max((adapter.rank for adapter in adapters), default=RANKS[1])
    for rank in RANKS:
        if rank >= largest:
            return rank
    raise InputError(f"An adapter has rank {largest}; vLLM takes at most {RANKS[-1]}. Train one with a smaller lora.r.")
