"""Models in GGUF files, as Ollama and llama.cpp have them: unpacked once into a folder that transformers reads."""

import hashlib
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from cowest.errors import InputError
from cowest.words import first_line

SUFFIX = ".gguf"

_MAGIC = b"GGUF"
_UNPACKED = "unpacked"
_DTYPE = "bfloat16"
building = threading.Lock()
"""Held while transformers builds a model: what another thread builds meanwhile has no weights either."""


def is_gguf(location: str) -> bool:
    """Whether `location` names a GGUF file, by its ending."""
    return location.lower().endswith(SUFFIX)


def folder_of(file: Path) -> Path:
    """The folder with the weights, the tokenizer and the chat template of a GGUF file.

    Quantized weights are multiplied out to bfloat16, since packed ones cannot be trained. That takes about a minute for
    half a billion parameters, and two bytes a parameter on disk, below `COWEST_CACHE` (default ~/.cache/cowest). It is
    done once: a file of the same path, size and time of change is not unpacked again.

    Raises:
        InputError: there is no such file, it is no GGUF file, transformers cannot read its kind, or the disk is full.
    """
    try:
        status = file.stat()
        with file.open("rb") as content:
            magic = content.read(len(_MAGIC))
    except OSError as error:
        raise InputError(f"The GGUF file {str(file)!r} cannot be read: {error.strerror}. Check the path.") from error
    if magic != _MAGIC:
        raise InputError(f"{str(file)!r} is no GGUF file: it does not start with {_MAGIC.decode()!r}. Get it again.")
    version = f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    folder = _cache() / f"{file.stem}-{hashlib.sha256(version.encode()).hexdigest()[:16]}"
    with building:
        if not folder.is_dir():
            _unpack(file, folder)
    return folder


def _cache() -> Path:
    root = os.environ.get("COWEST_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "cowest"
    return Path(root).expanduser() / "gguf"


def _unpack(file: Path, folder: Path) -> None:
    try:
        import gguf  # noqa: F401  # transformers needs it
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    except ImportError as error:
        raise InputError(
            f"{str(file)!r} needs packages that are missing ({error}): pip install cowest[train]"
        ) from error
    print(f"Unpacking {file.name} to {folder} (once)", file=sys.stderr, flush=True)
    options: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as name:
            partial = Path(name) / _UNPACKED
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **options)
            model = AutoModelForCausalLM.from_pretrained(
                file.parent,
                **options,
                dtype=getattr(torch, _DTYPE),
                quantization_config=GgufConfig(gguf_file=file.name, dequantize=True),
            )
            model.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
            _publish(partial, folder)
    except Exception as error:  # what a damaged file makes the readers raise has no common class
        reason = first_line(error)
        raise InputError(
            f"The GGUF file {str(file)!r} cannot be unpacked to {str(folder)!r}: {reason} Give a whole file of an "
            "architecture that transformers reads from GGUF, with room on the disk, or the model as safetensors."
        ) from error


def _publish(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(partial)  # another process was faster
