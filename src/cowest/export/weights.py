"""The weak model's weights for others: the adapter as it is, or merged into its base; safetensors only."""

import json
import shutil
from pathlib import Path

from cowest import runs
from cowest.errors import InputError
from cowest.export.finished import FinishedRun
from cowest.model_folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS
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
    (target / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


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


def write_merged(run: FinishedRun, target: Path) -> None:
    """Merges the adapter into its base, in the base's own precision, and saves model and tokenizer.

    Raises:
        InputError: the training extra is not installed, or the base cannot be loaded.
    """
    require_extras()
    from cowest.models.providers import _local_weights as local
    from cowest.training.quiet import quiet

    folder = local.find(str(run.adapter))
    config = json.loads((folder.base / "config.json").read_text(encoding="utf-8"))
    model, tokenizer = local.load(folder, config.get("dtype") or config.get("torch_dtype") or "float32", "cpu")
    with quiet():
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
