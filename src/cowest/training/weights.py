"""The weights that a training starts from: where they are, whether they are complete, and their identity."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cowest import chat_templates, distributed, gguf_files, model_folders, progress, quantization
from cowest.errors import InputError
from cowest.quantization import Quantization
from cowest.training.lora import LoRAConfig
from cowest.training.trained import DONE_MARKER, TrainedModel

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")


@dataclass(frozen=True)
class Weights:
    """A full model, or an adapter on one.

    Attributes:
        base: the full model's location, as a recipe names it.
        path: the full model's folder, or its hub id.
        adapter: the LoRA adapter's folder, if there is one.
        chat_template: the text that stands in for the tokenizer's; None where it is the tokenizer's own.
        quantize: how the full model's weights are held; None is as they are.
    """

    base: str
    path: str
    adapter: Path | None = None
    chat_template: str | None = None
    quantize: Quantization | None = None

    @property
    def tokenizer(self) -> str:
        """Where its tokenizer is, a folder or a hub id: with the adapter if that has one, as where it drafts."""
        own = self.adapter
        if own is None or not model_folders.has_tokenizer(own):
            return self.path
        return str(own) if self.chat_template is not None or model_folders.has_chat_template(own) else self.path

    @property
    def reference(self) -> str:
        """What a training that starts here is held close to: the adapter, or the full model without one."""
        return self.base if self.adapter is None else str(self.adapter)

    def identity(self) -> str:
        """Changes with the weights and how they are held, the tokenizer and the chat template."""
        template = None if self.chat_template is None else chat_templates.fingerprint(self.chat_template)
        return "+".join(part for part in (self._files(), template, self.quantize) if part is not None)

    def _files(self) -> str:
        adapter = [] if self.adapter is None else [self.adapter]
        if Path(self.path).is_dir():
            return model_folders.identity([Path(self.path), *adapter])
        return "+".join([_hub_identity(self.path), *(model_folders.identity([folder]) for folder in adapter)])


def require_extras() -> None:
    """Checks that the packages that training needs are installed.

    Raises:
        InputError: one is not.
    """
    if "trl" not in sys.modules and distributed.is_main_process():
        progress.say("loading torch, transformers and trl", about="loading the packages that train")
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


def find(model: str, chat_template: str | None = None) -> Weights:
    """Finds a model by its name in a recipe.

    Args:
        model: a folder, a GGUF file, a hub id or `package:folder`, with or without `local/` in front. The folder may
            hold a full model, an adapter, or a finished SFT stage.
        chat_template: "chatml" or a file, which stands in for the model's own.

    Raises:
        InputError: there are no weights there that can be trained.
    """
    if model.startswith("openai/"):
        raise InputError(
            f"{model!r} is an endpoint, and training needs weights. Give local/FOLDER or local/ID of the hub."
        )
    name = model.removeprefix("local/")
    path = model_folders.find_folder(name)
    found = Weights(base=name, path=name) if path is None else _find_in_folder(name, path)
    given = chat_templates.read(chat_template)
    return found if given is None else replace(found, chat_template=given)


def for_training(weights: Weights, lora: LoRAConfig | None) -> Weights:
    """The weights as a training with `lora` starts from them: a full model is held as that says.

    Args:
        lora: None leaves them as they are.

    Raises:
        InputError: the adapter of `weights` has another shape or was trained over a base that was held otherwise, or
            the package for quantized weights is not installed.
    """
    if lora is not None:
        weights = replace(weights, quantize=lora.quantize) if weights.adapter is None else _going_on(weights, lora)
    quantization.require(weights.quantize)
    return weights


def _going_on(weights: Weights, lora: LoRAConfig) -> Weights:
    assert weights.adapter is not None
    settings = model_folders.adapter_settings(weights.adapter)
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if (rank, alpha) != (lora.r, lora.alpha):
        raise InputError(
            f"Alignment goes on with the adapter {str(weights.adapter)!r}, which has r={rank} and alpha={alpha}, but "
            f"lora says r={lora.r} and alpha={lora.alpha}. Give the adapter's values, or train SFT again with these."
        )
    if weights.quantize is None and not (weights.adapter / DONE_MARKER).is_file():
        return replace(weights, quantize=lora.quantize)  # trained elsewhere, where nothing is written down
    if weights.quantize != lora.quantize:
        raise InputError(
            f"Alignment goes on with the adapter {str(weights.adapter)!r}, which was trained over a base with "
            f"lora.quantize: {weights.quantize or 'null'}, but lora.quantize is {lora.quantize or 'null'}. Give the "
            "adapter's value, or train SFT again with this one."
        )
    return weights


def _find_in_folder(name: str, path: Path) -> Weights:
    if model_folders.is_adapter(path):
        below = _base_of_adapter(path)
        if below.adapter is not None:
            raise InputError(
                f"The adapter {str(path)!r} names an adapter as its base. Merge that into its own base first."
            )
        template = model_folders.chat_template_beside(path)
        held = quantization.beside(path)
        return Weights(base=below.base, path=below.path, adapter=path, chat_template=template, quantize=held)
    if (path / DONE_MARKER).is_file():
        return find(TrainedModel.read(path).model)
    model_folders.require_whole(path)
    if not any((path / name).is_file() for name in _TOKENIZER_FILES):
        raise InputError(f"The model folder {str(path)!r} has no tokenizer (tokenizer.json). Save it there too.")
    if gguf_files.is_gguf(name):
        # Links stay: what they lead to need not end in .gguf (the hub's cache), nor be unpacked under the same name.
        return Weights(base=str(Path(name).expanduser().absolute()), path=str(path.resolve()))
    is_package_path = str(path) != str(Path(name).expanduser())
    return Weights(base=name if is_package_path else str(path.resolve()), path=str(path.resolve()))


def _base_of_adapter(path: Path) -> Weights:
    if not (path / DONE_MARKER).is_file():
        return find(model_folders.base_of(path))
    model_folders.adapter_settings(path)  # raises if its settings or weights are missing
    return find(TrainedModel.read(path).base)


def _hub_identity(name: str) -> str:
    import transformers

    try:
        transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise model_folders.not_on_hub(name, error) from error
    return f"{name}@{_cached_commit(name)}"


def _cached_commit(name: str) -> str | None:
    """The commit of a hub model that is loaded from the cache, where each one's files lie in a folder of its name."""
    import huggingface_hub

    config = huggingface_hub.try_to_load_from_cache(name, "config.json")
    return Path(config).parent.name if isinstance(config, str) else None
