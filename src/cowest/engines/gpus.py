"""The GPUs that servers are placed on, found without loading torch."""

import contextlib
import gc
import os
import shutil
import subprocess
import sys

from cowest.engines.config import EngineConfig

_PATIENCE_S = 10


def places(config: EngineConfig) -> list[tuple[str, ...]]:
    """The GPUs of each server; one empty entry on a machine without any."""
    return config.places() or [(gpu,) for gpu in visible_gpus()] or [()]


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES or the driver names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        gpus = [name.strip() for name in named.split(",")]
        return [gpu for gpu in gpus if gpu and gpu != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=True,
        )
        return listed.stdout.split()
    return []


def release_cached_memory() -> None:
    """Gives back the GPU memory that torch keeps in this process after training, since a server claims most of it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()
