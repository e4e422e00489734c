"""Chat templates for base models that have none: `chatml`, or a file of the user's."""

import hashlib
from pathlib import Path

from cowest.errors import InputError
from cowest.plugins import resolve_path

CHATML = "chatml"
"""ChatML, but an answer ends with the tokenizer's own end token, which every base model knows how to write."""

_FOLDER = Path(__file__).parent


def read(name: str | None) -> str | None:
    """The text of a chat template (Jinja, as transformers takes it); None for None.

    Args:
        name: "chatml", or a file, or `package:file`.

    Raises:
        InputError: there is no such file, or it is empty.
    """
    if name is None:
        return None
    file = _FOLDER / "chatml.jinja" if name == CHATML else resolve_path(name)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"The chat template {name!r} cannot be read ({error}). Give chat_template: chatml, or the path of a file."
        ) from error
    if not text.strip():
        raise InputError(f"The chat template {name!r} is empty. Give chat_template: chatml, or the path of a file.")
    return text


def fingerprint(text: str) -> str:
    """Tells the texts of chat templates apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
