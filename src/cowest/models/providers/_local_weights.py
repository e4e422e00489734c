"""Model folders to run: found and checked before anything is loaded, then loaded."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cowest import chat_templates, model_folders, quantization
from cowest.errors import InputError
from cowest.gguf_files import building
from cowest.quantization import Quantization

_EXACT = ("float32", "float64")


@dataclass(frozen=True)
class ModelFolder:
    """A folder that can be loaded.

    Attributes:
        base: the folder with the model's weights.
        adapter: the PEFT adapter on top of it, if any.
        tokenizer: the one of the two folders whose tokenizer is used.
        chat_template: the text that stands in for the tokenizer's; None where it is the tokenizer's own.
        quantize: how the weights of `base` are held; None is as they are.
    """

    base: Path
    adapter: Path | None
    tokenizer: Path
    chat_template: str | None = None
    quantize: Quantization | None = None

    def identity(self) -> str:
        """Hash of the files that decide what the model says, and of its chat template; and how weights are held."""
        files = model_folders.identity(folder for folder in (self.base, self.adapter) if folder is not None)
        template = None if self.chat_template is None else chat_templates.fingerprint(self.chat_template)
        return "+".join(part for part in (files, template, self.quantize) if part is not None)

    def absolute(self) -> "ModelFolder":
        """The same with absolute paths, which mean the same in every working directory."""
        adapter = None if self.adapter is None else self.adapter.absolute()
        return replace(self, base=self.base.absolute(), adapter=adapter, tokenizer=self.tokenizer.absolute())


def find(location: str, chat_template: str | None = None, quantize: Quantization | None = None) -> ModelFolder:
    """Finds and checks a model.

    Args:
        location: a folder, `package:folder`, or a hub id; a model, or a PEFT adapter that names its base.
        chat_template: "chatml" or a file, which stands in for the model's own.
        quantize: how weights are held where an adapter does not say how it was trained.

    Raises:
        InputError: there is no such model, or a file it needs is missing.
    """
    folder = base = _folder(location)
    adapter = None
    if model_folders.is_adapter(folder):
        adapter, base = folder, _base_of(folder)
        quantize = quantization.beside(folder) or quantize
    model_folders.require_whole(base)
    template = chat_templates.read(chat_template) or model_folders.chat_template_beside(folder)
    tokenizer = _tokenizer_folder(folder, base, needs_template=template is None)
    return ModelFolder(base, adapter, tokenizer, template, quantize)


def load(folder: ModelFolder, dtype: str, device: str) -> tuple[Any, Any]:
    """Loads (model, tokenizer).

    Raises:
        InputError: the files cannot be loaded.
    """
    return load_model(folder, dtype, device), load_tokenizer(folder)


def load_tokenizer(folder: ModelFolder) -> Any:
    """Loads the tokenizer.

    Raises:
        InputError: its files cannot be loaded.
    """
    from transformers import AutoTokenizer

    with building:
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder.tokenizer, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise InputError(f"The tokenizer in {str(folder.tokenizer)!r} cannot be loaded: {error}") from error
    if folder.chat_template is not None:
        tokenizer.chat_template = folder.chat_template
    return tokenizer


def load_model(folder: ModelFolder, dtype: str, device: str) -> Any:
    """Loads the model with its adapter, one at a time in the whole process.

    Where `dtype` or 4 bits round away small updates the adapter stays apart from the weights, as in training. Elsewhere
    it is merged into them, which decodes faster.

    Raises:
        InputError: the files cannot be loaded, or weights in 4 bits are unpacked wrongly on this processor.
    """
    with building:
        return _load_model(folder, dtype, device)


def keeps_adapter_apart(dtype: str) -> bool:
    """Whether weights of this dtype are too coarse to have an adapter merged into them.

    A sum is rounded to the nearest number of the dtype. An update below half a step (2^-9 of a weight in bfloat16) is
    lost, and alignment makes many of them.
    """
    return dtype not in _EXACT


def arithmetic(dtype: str) -> str:
    """How weights of this dtype are computed with, for a model's identity; changes where what models say changes."""
    # Earlier versions merged adapters and rounded the frequencies of rotary positions in every dtype.
    return f"{dtype} as trained" if keeps_adapter_apart(dtype) else dtype


def _load_model(folder: ModelFolder, dtype: str, device: str) -> Any:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    # PEFT asks transformers for a property under its old name, which no user can change.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    # Progress is the caller's to show; a bar from a worker thread would run across it.
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    torch_dtype = getattr(torch, dtype)
    held = quantization.loading(folder.quantize, torch_dtype, device)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder.base, dtype=torch_dtype, local_files_only=True, trust_remote_code=False, **held
        )
        quantization.settle(model)
        if folder.adapter is not None:
            apart = keeps_adapter_apart(dtype) or folder.quantize is not None
            model = _with_adapter(model, folder.adapter, apart=apart)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        where = folder.adapter or folder.base
        raise InputError(f"The model in {str(where)!r} cannot be loaded: {error}") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    # No cast to `dtype`: it would round the frequencies of rotary positions, which every model keeps in float32.
    return (model if folder.quantize else model.to(device)).eval()


def _with_adapter(model: Any, adapter: Path, *, apart: bool) -> Any:
    from peft import PeftModel

    # In the dtype of the weights, as autocast casts an adapter in training, so that both say the very same.
    adapted = PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False)
    if adapted.active_peft_config.is_prompt_learning:
        raise ValueError("it adds tokens to the prompt in place of updates to weights. Give a LoRA adapter.")
    # Both give the model's own class, whose `forward` says which arguments it takes.
    return adapted.get_base_model() if apart else adapted.merge_and_unload()


def _folder(location: str) -> Path:
    return model_folders.find_folder(location) or model_folders.download(location)


def _base_of(adapter: Path) -> Path:
    name = model_folders.base_of(adapter)
    try:
        return _folder(name)
    except InputError as error:
        raise InputError(f"The adapter {str(adapter)!r} is built on a model that cannot be found. {error}") from error


def _tokenizer_folder(folder: Path, base: Path, *, needs_template: bool) -> Path:
    for place in (folder, base):
        if model_folders.has_tokenizer(place) and (not needs_template or model_folders.has_chat_template(place)):
            return place
    if not any(model_folders.has_tokenizer(place) for place in (folder, base)):
        raise InputError(
            f"The model folder {str(folder)!r} has no tokenizer (tokenizer_config.json). Save its tokenizer there."
        )
    raise InputError(
        f"The model folder {str(folder)!r} has no chat template, so nothing says how a question becomes a prompt. "
        "Use an instruct model, or give a base model one: chat_template: chatml (or a file), in the recipe's section "
        "of this model, e.g. weak.chat_template."
    )
