"""Servers of the scripted engine for tests: their settings, what they were seen to do, and whether anything is left."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from cowest.engines import Adapter, Deployment, EngineConfig
from tests.engines import scripted_vllm

SCRIPT = Path(scripted_vllm.__file__)


def scripted(events: Path | None = None, *behaviour: str, **settings: Any) -> EngineConfig:
    """The section of a recipe; `behaviour` such as "--scripted-dies-at-start"."""
    noted = () if events is None else ("--scripted-events", str(events))
    config = {"command": (sys.executable, str(SCRIPT), "serve"), "start_timeout_s": 20.0, "stop_timeout_s": 5.0}
    return EngineConfig.model_validate(config | {"args": (*noted, *behaviour), "gpus": ("0",)} | settings)


def deployment(folder: Path) -> Deployment:
    return Deployment("cowest-base", folder, folder, None, "bfloat16", 3, scripted_vllm.VERSION)


def model_folder(folder: Path) -> Path:
    """A folder with the files of a model, as far as anybody looks into them before they are loaded."""
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def adapter_folder(folder: Path, base: Path, weights: bytes = b"adapter", rank: int = 20) -> Path:
    """Likewise, of an adapter."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base), "r": rank}))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def adapter(folder: Path, name: str, rank: int = 8) -> Adapter:
    (folder / name).mkdir(exist_ok=True)
    return Adapter(f"adapter-{name}", folder / name, rank)


def seen(events: Path, event: str) -> list[dict[str, Any]]:
    """What the servers noted of this kind, in order."""
    lines = events.read_text().splitlines() if events.is_file() else []
    return [row for row in map(json.loads, lines) if row["event"] == event]


def answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(("127.0.0.1", port)) == 0


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked after does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
