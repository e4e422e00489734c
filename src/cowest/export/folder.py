"""The folder of an export: model/ and pairs/, each with its card, written atomically."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cowest.annotators import SOLO
from cowest.errors import CowestError, InputError
from cowest.export import cards, finished, pairs, weights

MODEL, PAIRS = "model", "pairs"


def write_folder(run_folder: str | Path, target: str | Path, *, merged: bool = False) -> list[Path]:
    """Exports a finished run.

    Args:
        target: a folder that does not exist yet, or is empty.
        merged: exports full weights instead of the adapter alone.

    Returns:
        The files, sorted by path.

    Raises:
        InputError: the run is not finished, or the target is not empty.
    """
    run = finished.read(Path(run_folder).expanduser())
    target = Path(target).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{str(target)!r} exists already and is not empty. Give another folder with --to.")
    with _replace_when_done(target) as folder:
        rounding = weights.write_merged(run, folder / MODEL) if merged else None
        if not merged:
            weights.write_adapter(run, folder / MODEL)
        (folder / MODEL / "README.md").write_text(
            cards.model_card(run, rounding), encoding="utf-8", errors="backslashreplace"
        )
        with_pairs = [each for each in run.rounds if each.feedback.kind != SOLO]
        if with_pairs:
            data = folder / PAIRS / "data"
            counts = {
                each.number: pairs.write_parquet(each.pairs, data / f"round-{each.number}.parquet")
                for each in with_pairs
            }
            (folder / PAIRS / "README.md").write_text(
                cards.data_card(run, counts), encoding="utf-8", errors="backslashreplace"
            )
    return sorted(path for path in target.rglob("*") if path.is_file())


@contextlib.contextmanager
def _replace_when_done(target: Path) -> Iterator[Path]:
    """A temporary folder beside the target, which replaces it if there is no error."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise InputError(f"{str(target)!r} cannot be written: {error}. Give another folder with --to.") from error
    try:
        yield partial
        partial.chmod(0o755)
        partial.replace(target)
    except OSError as error:
        raise CowestError(f"{str(target)!r} cannot be written: {error}. Check the disk's free space.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
