"""What the text of a data file must be: UTF-8 without null bytes, and no row above a limit of size."""

from cowest.errors import InputError

MAX_ROW_MIB = 64
MAX_ROW = MAX_ROW_MIB * 2**20
"""Bytes of a line, or characters of a row in a JSON document. A longer one means that the file has another shape."""


def no_utf8(data: bytes, start: int, where: str) -> InputError:
    """The error for bytes that are no UTF-8 from `start` on; `where` names file and line."""
    return InputError(
        f"{where}: byte 0x{data[start]:02x} is not UTF-8. Save the file in UTF-8 (for instance with iconv -t UTF-8), "
        "or name its encoding in the recipe, where the task is jsonl: task.encoding: cp1252."
    )


def refuse_null_bytes(text: str, where: str) -> None:
    """Refuses text with null bytes.

    Raises:
        InputError: there is one; `where` names file and line.
    """
    if "\0" in text:
        raise InputError(
            f"{where}: the text holds a null byte. The file is damaged, is no text, or is UTF-16: save it in UTF-8."
        )
