"""The weak model's weights for others: the adapter as it is, or merged into its base; safetensors only."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from cowest import quantization, runs
from cowest.errors import InputError
from cowest.export.finished import FinishedRun
from cowest.export.merging import Rounding, merge, merge_over_quantized
from cowest.model_folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CHAT_TEMPLATE
from cowest.training.weights import require_extras


def write_adapter(run: FinishedRun, target: Path) -> None:
    """Copies the adapter in PEFT's layout, with the public name of its base.

    Raises:
        InputError: the adapter is incomplete or broken.
    """
    missing = [name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if not (run.adapter / name).is_file()]
    if missing:
        raise InputError(f"The adapter {str(run.adapter)!r} has no {' and no '.join(missing)}. Train it again.")
    config = runs.read_json(run.adapter / ADAPTER_CONFIG)
    if not isinstance(config, dict):
        raise InputError(f"{str(run.adapter / ADAPTER_CONFIG)!r} is not a PEFT configuration. Train the adapter again.")
    _check_weights(run.adapter / ADAPTER_WEIGHTS)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run.adapter / ADAPTER_WEIGHTS, target / ADAPTER_WEIGHTS)
    config["base_model_name_or_path"] = run.base
    if has_own_template(run):
        shutil.copyfile(run.adapter / CHAT_TEMPLATE, target / CHAT_TEMPLATE)
    if quantization.beside(run.adapter) is not None:
        shutil.copyfile(run.adapter / quantization.FILE, target / quantization.FILE)
    (target / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def has_own_template(run: FinishedRun) -> bool:
    """Whether the adapter was trained with a chat template that its base does not have."""
    return (run.adapter / CHAT_TEMPLATE).is_file()


def _check_weights(file: Path) -> None:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        require_extras()  # says what to install
        raise
    try:
        with safe_open(file, framework="np") as weights:
            names = weights.keys()
    except (OSError, SafetensorError) as error:
        raise InputError(f"{str(file)!r} is not a safetensors file ({error}). Train the adapter again.") from error
    if not names:
        raise InputError(f"{str(file)!r} holds no weights. Train the adapter again.")


def write_merged(run: FinishedRun, target: Path) -> Rounding:
    """Merges the adapter into its base and saves model and tokenizer, in the base's own precision.

    What was trained over 4 bits is merged into these, multiplied out: over other weights it would be another model.

    Returns:
        What the rounding to that precision cost.

    Raises:
        InputError: an extra is not installed, or the base or the adapter cannot be loaded or merged.
    """
    require_extras()
    from cowest.models.providers import _local_weights as local
    from cowest.training.quiet import quiet

    folder = local.find(str(run.adapter))
    _check_weights(run.adapter / ADAPTER_WEIGHTS)
    config = json.loads((folder.base / "config.json").read_text(encoding="utf-8"))
    dtype = config.get("dtype") or config.get("torch_dtype") or "float32"
    tokenizer = local.load_tokenizer(folder)
    model = local.load_model(replace(folder, adapter=None, quantize=None), dtype, "cpu")
    with quiet():
        if folder.quantize is None:
            model, rounding = merge(model, str(run.adapter))
        else:
            held = local.load_model(replace(folder, adapter=None), _dtype_of_training(run), "cpu")
            rounding = merge_over_quantized(model, held, str(run.adapter))
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    return rounding


def _dtype_of_training(run: FinishedRun) -> str:
    record = run.trained.metrics
    bf16 = record.settings.get("bf16")
    on_gpu = (record.device or "").startswith("cuda")
    return "bfloat16" if bf16 or (bf16 is None and on_gpu) else "float32"
