"""Publishing an export on the Hugging Face hub: the weights as a model, the pairs as a data set beside it."""

import re
import tempfile
from pathlib import Path
from typing import Any

from cowest.errors import EndpointError, InputError
from cowest.export.folder import MODEL, PAIRS, write_folder

HUB = "hub:"


def publish(run_folder: str | Path, name: str, *, merged: bool = False, public: bool = False) -> list[str]:
    """Exports a finished run and uploads it to NAME and NAME-pairs.

    Args:
        name: OWNER/NAME, or NAME alone for the account that is logged in.
        public: makes new repositories public; they are private otherwise. Existing ones keep their visibility.

    Returns:
        The addresses.

    Raises:
        InputError: the run is not finished, the name is invalid, or huggingface_hub is not installed.
        EndpointError: the hub refused, or could not be reached.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
    except ImportError as error:
        raise InputError(f"The hub needs huggingface_hub ({error}). Install: pip install 'cowest[train]'.") from error
    if not re.fullmatch(r"([\w.-]+/)?[\w.-]+", name):
        raise _invalid_name(name)
    with tempfile.TemporaryDirectory(prefix="cowest-export-") as scratch:
        folder = Path(scratch) / "export"
        write_folder(run_folder, folder, merged=merged)
        parts = [("model", name, folder / MODEL)]
        if (folder / PAIRS).is_dir():
            parts.append(("dataset", f"{name}-pairs", folder / PAIRS))
        try:
            api = HfApi()
            return [_upload(api, *part, private=not public) for part in parts]
        except HFValidationError as error:
            raise _invalid_name(name) from error
        except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise EndpointError(
                f"The hub did not accept {name!r}: {reason} Log in with a token that may write (hf auth login), check "
                "the name and the network, and export again; files that are there already are not sent twice."
            ) from error


def _invalid_name(name: str) -> InputError:
    return InputError(f"{name!r} is not a name that the hub allows. Give hub:OWNER/NAME.")


def _upload(api: Any, kind: str, name: str, folder: Path, *, private: bool) -> str:
    repo_id = api.create_repo(name, repo_type=kind, private=private, exist_ok=True).repo_id
    api.upload_folder(repo_id=repo_id, repo_type=kind, folder_path=folder, commit_message="Export of a cowest run")
    return f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{repo_id}"
