"""Model folders and hub ids: finds them, checks that they are complete, and hashes what a model's output depends on."""

import functools
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cowest import gguf_files, plugins
from cowest.errors import CowestError, InputError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
CHAT_TEMPLATE = "chat_template.jinja"
_TOKENIZER = "tokenizer_config.json"

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
_HUB_COPIES = ["consolidated*", "original/*", "onnx/*"]
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_ADAPTER_WEIGHTS = (ADAPTER_WEIGHTS, "adapter_model.bin")
_HASHED = (
    *_WEIGHTS,
    *_ADAPTER_WEIGHTS,
    *("config.json", "generation_config.json", "*.jinja", "merges.txt", "vocab.*", "tokenizer*"),
    *("special_tokens_map.json", "added_tokens.json", "*.model"),
)


def find_folder(location: str) -> Path | None:
    """The folder that `location` names; None where it is a hub id.

    Args:
        location: a folder, a GGUF file (which is unpacked the first time), `package:folder`, or a hub id.

    Raises:
        InputError: it is none of them, or the GGUF file cannot be unpacked.
    """
    path = plugins.resolve_path(location)
    if path.is_dir():
        return path
    if gguf_files.is_gguf(location):
        return gguf_files.folder_of(path)
    # A hub id looks like a path of two parts. Where the first part is a folder here, a path was meant.
    if _HUB_ID.fullmatch(location) and not Path(location).parent.is_dir():
        return None
    raise InputError(
        f"There is no model folder {str(path)!r} (from {location!r}). Train one first, or give a folder with a model "
        "or an adapter, a GGUF file, package:folder, or a hub id such as meta-llama/Meta-Llama-3-8B-Instruct."
    )


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds a PEFT adapter rather than a model."""
    return (folder / ADAPTER_CONFIG).is_file()


def adapter_settings(adapter: Path) -> dict[str, Any]:
    """The content of an adapter's config, as PEFT wrote it: its shape, and its base.

    Raises:
        InputError: its settings cannot be read, or its weights are missing.
    """
    if not any((adapter / name).is_file() for name in _ADAPTER_WEIGHTS):
        raise InputError(f"The adapter folder {str(adapter)!r} has no weights ({ADAPTER_WEIGHTS}).")
    file = adapter / ADAPTER_CONFIG
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{str(file)!r} cannot be read ({error}). Copy or save the adapter again.") from error
    if not isinstance(settings, dict):
        raise InputError(f"{str(file)!r} holds no settings of an adapter. Copy or save the adapter again.")
    return settings


def base_of(adapter: Path) -> str:
    """The location of the base model of an adapter.

    Raises:
        InputError: it names none.
    """
    name = adapter_settings(adapter).get("base_model_name_or_path")
    if not name:
        raise InputError(f"The adapter {str(adapter)!r} names no base model (base_model_name_or_path in its config).")
    return str(name)


def has_tokenizer(folder: Path) -> bool:
    """Whether a tokenizer was saved there."""
    return (folder / _TOKENIZER).is_file()


def has_chat_template(folder: Path) -> bool:
    """Whether the folder says how a conversation becomes a prompt."""
    if (folder / CHAT_TEMPLATE).is_file():
        return True
    return has_tokenizer(folder) and bool(json.loads((folder / _TOKENIZER).read_text()).get("chat_template"))


def chat_template_beside(adapter: Path) -> str | None:
    """The chat template that was saved with an adapter without a tokenizer of its own, as training does.

    Raises:
        InputError: it cannot be read.
    """
    file = adapter / CHAT_TEMPLATE
    if has_tokenizer(adapter) or not file.is_file():
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{str(file)!r} cannot be read ({error}). Train or copy the adapter again.") from error


def require_whole(folder: Path) -> None:
    """Checks that a folder holds a model.

    Raises:
        InputError: it has no configuration or no weights.
    """
    if not (folder / "config.json").is_file():
        raise InputError(
            f"The folder {str(folder)!r} is no model: it has no config.json. Give a folder that was saved."
        )
    if not any(next(folder.glob(pattern), None) for pattern in _WEIGHTS):
        raise InputError(f"The model folder {str(folder)!r} has no weights (*.safetensors). Copy or save them there.")


def download(name: str) -> Path:
    """The folder of a model from the hub, downloaded unless it is in the hub's cache.

    Raises:
        InputError: the hub has no such model, or cannot be reached.
    """
    path: str = _from_hub(name, dry_run=False)
    return Path(path)


def bytes_to_download(location: str) -> int:
    """Bytes that opening a model would download; downloads none. 0 for a folder whose base is local.

    Raises:
        InputError: there is no such model.
    """
    folder = find_folder(location)
    if folder is not None:
        return bytes_to_download(base_of(folder)) if is_adapter(folder) else 0
    return sum(file.file_size or 0 for file in _from_hub(location, dry_run=True) if file.will_download)


def _from_hub(name: str, *, dry_run: bool) -> Any:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import DryRunError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise InputError(
            f"There is no folder {name!r}.{plugins.looked_in(name)} For models of the hub run: "
            "pip install 'cowest[train]'"
        ) from error
    snapshot = functools.partial(snapshot_download, name, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_COPIES)
    try:
        try:
            return snapshot(dry_run=dry_run)
        except DryRunError:  # the hub cannot be reached; the cache will be used
            snapshot(local_files_only=True)
            return []
    except LocalEntryNotFoundError as error:
        raise not_on_hub(name, "it cannot be reached, and the model is not in the cache on this machine") from error
    except (OSError, HfHubHTTPError, HFValidationError, ValueError) as error:
        raise not_on_hub(name, error) from error


def not_on_hub(name: str, reason: Exception | str) -> InputError:
    """The error for a hub id that could not be loaded."""
    why = (str(reason).splitlines() or [type(reason).__name__])[0]
    return InputError(
        f"There is no folder {name!r}, and the hub gave no model of that name ({why})."
        f"{plugins.looked_in(name)} Check the name, the network, and, for a gated model, that you are logged in "
        "(hf auth login)."
    )


def identity(folders: Iterable[Path]) -> str:
    """Hash of the files that a model's output depends on: of its own folder, and of the adapter's if it has one."""
    return _hash([_content(folder) for folder in folders])


def _content(folder: Path) -> list[Any]:
    files = sorted({path for pattern in _HASHED for path in folder.glob(pattern) if path.is_file()})
    content: list[Any] = [[path.name, _file_hash(path)] for path in files]
    if is_adapter(folder):
        # The location of the base does not change the output; its content is in the base's own hash.
        settings = adapter_settings(folder)
        settings.pop("base_model_name_or_path", None)
        content.append([ADAPTER_CONFIG, _hash(settings)])
    return content


def _file_hash(path: Path) -> str:
    try:
        status = path.stat()
        return _hash_of_version(path.resolve(), status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise CowestError(f"{str(path)!r} cannot be read: {error}") from error


@functools.lru_cache(maxsize=1024)
def _hash_of_version(path: Path, mtime_ns: int, size: int) -> str:
    # The hub's cache names a large file by its SHA-256, so it need not be read.
    if path.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", path.name):
        return path.name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
