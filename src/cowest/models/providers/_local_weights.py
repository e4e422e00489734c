"""Model folders: finding them, checking them before anything is loaded, hashing and loading their weights."""

import functools
import hashlib
import json
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cowest import plugins
from cowest.errors import CowestError, InputError

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
_HUB_COPIES = ["consolidated*", "original/*", "onnx/*"]
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_ADAPTER = ("adapter_model.safetensors", "adapter_model.bin")
# While transformers builds a model, what another thread builds has no weights either: two at once break each other.
_one_at_a_time = threading.Lock()
_DECIDING = (*_WEIGHTS, "config.json", "generation_config.json", "*.jinja", "merges.txt", "vocab.*", "tokenizer*")


@dataclass(frozen=True)
class ModelFolder:
    """A folder that can be loaded.

    Attributes:
        base: the folder with the model's weights.
        adapter: the PEFT adapter on top of it, if any.
        tokenizer: the one of the two folders whose tokenizer is used.
    """

    base: Path
    adapter: Path | None
    tokenizer: Path

    def identity(self) -> str:
        """Hash of the files that decide what the model says."""
        return _hash([_content(folder) for folder in (self.base, self.adapter) if folder is not None])


def find(location: str) -> ModelFolder:
    """Finds and checks a model.

    Args:
        location: a folder, `package:folder`, or a hub id; a model, or a PEFT adapter that names its base.

    Raises:
        InputError: there is no such model, or a file it needs is missing.
    """
    folder = _folder(location)
    adapter = None
    base = folder
    if (folder / "adapter_config.json").is_file():
        adapter, base = folder, _base_of(folder)
        if not any((adapter / name).is_file() for name in _ADAPTER):
            raise InputError(f"The adapter folder {str(adapter)!r} has no weights (adapter_model.safetensors).")
    if not (base / "config.json").is_file():
        raise InputError(f"The folder {str(base)!r} is no model: it has no config.json. Give a folder that was saved.")
    if not any(next(base.glob(pattern), None) for pattern in _WEIGHTS):
        raise InputError(f"The model folder {str(base)!r} has no weights (*.safetensors). Copy or save them there.")
    return ModelFolder(base=base, adapter=adapter, tokenizer=_tokenizer_folder(folder, base))


def load(folder: ModelFolder, dtype: str, device: str) -> tuple[Any, Any]:
    """Loads (model, tokenizer), one at a time in the whole process.

    Raises:
        InputError: the files cannot be loaded.
    """
    with _one_at_a_time:
        return _load(folder, dtype, device)


def _load(folder: ModelFolder, dtype: str, device: str) -> tuple[Any, Any]:
    # The adapter is merged into the base, because that decodes 1.4 times as fast.
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    # PEFT asks transformers for a property under its old name; nobody who runs a model can do anything about it.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    # Progress is the caller's to show; a bar from a worker thread would run across it.
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder.tokenizer, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder.base, dtype=getattr(torch, dtype), local_files_only=True, trust_remote_code=False
        )
        if folder.adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, folder.adapter).merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        where = folder.adapter or folder.base
        raise InputError(f"The model in {str(where)!r} cannot be loaded: {error}") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    return model.to(device=device, dtype=getattr(torch, dtype)).eval(), tokenizer


def _folder(location: str) -> Path:
    path = plugins.resolve_path(location)
    if path.is_dir():
        return path
    # A hub id looks like a path of two parts; where the first part is a folder here, a path was meant.
    if _HUB_ID.fullmatch(location) and not Path(location).parent.is_dir():
        return _from_hub(location)
    raise InputError(
        f"There is no model folder {str(path)!r} (from {location!r}). Train one first, or give a folder with a model "
        "or an adapter, package:folder, or a hub id such as meta-llama/Meta-Llama-3-8B-Instruct."
    )


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise InputError(
            f"There is no folder {name!r}; for models of the hub run: pip install cowest[train]"
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_COPIES))
    except (OSError, HfHubHTTPError, HFValidationError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"There is no folder {name!r}, and the hub gave no model of that name ({reason}). Check the name, the "
            "network, and, for a gated model, that you are logged in (hf auth login)."
        ) from error


def _base_of(adapter: Path) -> Path:
    name = json.loads((adapter / "adapter_config.json").read_text()).get("base_model_name_or_path")
    if not name:
        raise InputError(f"The adapter {str(adapter)!r} names no base model (base_model_name_or_path in its config).")
    try:
        return _folder(name)
    except InputError as error:
        raise InputError(f"The adapter {str(adapter)!r} is built on a model that cannot be found. {error}") from error


def _tokenizer_folder(folder: Path, base: Path) -> Path:
    for place in (folder, base):
        if not (place / "tokenizer_config.json").is_file():
            continue
        in_config = json.loads((place / "tokenizer_config.json").read_text()).get("chat_template")
        if in_config or (place / "chat_template.jinja").is_file():
            return place
    has_one = any((place / "tokenizer_config.json").is_file() for place in (folder, base))
    missing = "chat template, so it cannot be given conversations" if has_one else "tokenizer (tokenizer_config.json)"
    raise InputError(
        f"The model folder {str(folder)!r} has no {missing}. Use an instruct model, or save its tokenizer "
        "with a chat_template there."
    )


def _content(folder: Path) -> list[Any]:
    files = sorted({path for pattern in _DECIDING for path in folder.glob(pattern) if path.is_file()})
    content: list[Any] = [[path.name, _file_hash(path)] for path in files]
    config = folder / "adapter_config.json"
    if config.is_file():
        # Where the base lies does not change what the model says; what it is stands in the base's own hash.
        settings = json.loads(config.read_text())
        settings.pop("base_model_name_or_path", None)
        content.append(["adapter_config.json", _hash(settings)])
    return content


def _file_hash(path: Path) -> str:
    try:
        status = path.stat()
        return _hash_of_version(path.resolve(), status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise CowestError(f"{str(path)!r} cannot be read: {error}") from error


@functools.lru_cache(maxsize=1024)
def _hash_of_version(path: Path, mtime_ns: int, size: int) -> str:
    # The hub's cache names a large file by its SHA-256: no need to read it again.
    if path.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", path.name):
        return path.name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
