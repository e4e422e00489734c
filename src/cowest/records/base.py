"""The base of the models of a run's files: a version, and reading and writing with clear errors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cowest import runs, types
from cowest.errors import InputError

omitted_if_none = types.omitted_if_none

Row = TypeVar("Row", bound=BaseModel)


class Part(BaseModel):
    """A part of a document. Unknown fields are ignored, so that later versions can add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Document(Part):
    """One JSON file of a run.

    Attributes:
        version: of this file's layout. It increases when a field changes its meaning, not when one is added.
    """

    VERSION: ClassVar[int] = 1
    ADVICE: ClassVar[str] = "Delete it to have it made again; what was paid for is kept."

    version: int = Field(default=1, ge=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file.

        Raises:
            InputError: the file is missing or broken, was written by a newer version, or holds something else.
        """
        return cls.parse(runs.read_json(path, cls.ADVICE), path)

    @classmethod
    def parse(cls, document: Any, path: Path) -> Self:
        """Validates a parsed JSON document.

        Args:
            path: of the file, for error messages.

        Raises:
            InputError: as `read`.
        """
        version = document.get("version", 1) if isinstance(document, dict) else 1
        if isinstance(version, int) and version > cls.VERSION:
            raise InputError(
                f"{str(path)!r} was written by a newer cowest: it has version {version}, and this cowest reads up to "
                f"{cls.VERSION}. Upgrade it: pip install -U cowest."
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InputError(
                f"{str(path)!r} is not what cowest wrote there: {first_error(error)}. {cls.ADVICE}"
            ) from error

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            CowestError: the disk is full, or the folder cannot be written.
        """
        runs.write_json(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The document as JSON values."""
        return self.model_dump(mode="json", by_alias=True)


def read_rows(
    path: Path, row: type[Row], noun: str, advice: str = "Delete the folder it is in and run the recipe again."
) -> Iterator[Row]:
    """Reads a JSONL file row by row.

    Args:
        row: the model of a row.
        noun: what an error calls a row.
        advice: what to do about an invalid row.

    Raises:
        InputError: the file is missing or broken, or a row is invalid; the message names line and field.
    """
    for number, document in enumerate(runs.read_jsonl(path), 1):
        try:
            yield row.model_validate(document)
        except ValidationError as error:
            raise InputError(f"{str(path)!r}, line {number} is no {noun}: {first_error(error)}. {advice}") from error


def first_error(error: ValidationError) -> str:
    """The first validation error with its location: "methods.weak_only.calls: Input should be a valid dictionary"."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])
