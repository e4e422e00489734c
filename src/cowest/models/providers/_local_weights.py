"""Model folders to run: found and checked before anything is loaded, then loaded."""

import json
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cowest import model_folders
from cowest.errors import InputError

# While transformers builds a model, what another thread builds has no weights either: two at once break each other.
_one_at_a_time = threading.Lock()


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
        return model_folders.identity(folder for folder in (self.base, self.adapter) if folder is not None)


def find(location: str) -> ModelFolder:
    """Finds and checks a model.

    Args:
        location: a folder, `package:folder`, or a hub id; a model, or a PEFT adapter that names its base.

    Raises:
        InputError: there is no such model, or a file it needs is missing.
    """
    folder = base = _folder(location)
    adapter = None
    if model_folders.is_adapter(folder):
        adapter, base = folder, _base_of(folder)
    model_folders.require_whole(base)
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

    # PEFT asks transformers for a property under its old name, which no user can change.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    # Progress is the caller's to show; a bar from a worker thread would run across it.
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    dtypes = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "float64": torch.float64,
    }
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder.tokenizer, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder.base, dtype=dtypes[dtype], local_files_only=True, trust_remote_code=False
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
    return model.to(device=device, dtype=dtypes[dtype]).eval(), tokenizer


def _folder(location: str) -> Path:
    return model_folders.find_folder(location) or model_folders.download(location)


def _base_of(adapter: Path) -> Path:
    name = model_folders.base_of(adapter)
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
