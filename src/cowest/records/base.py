"""What the models of a run's files share: a version, and reading and writing with clear errors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cowest import runs, types
from cowest.errors import InputError

only_where_known = types.only_where_known

Row = TypeVar("Row", bound=BaseModel)


class Part(BaseModel):
    """A part of a document. Fields that this version does not know are ignored, so that they can be added."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Document(Part):
    """One JSON file of a run.

    Attributes:
        version: of this file's layout. It grows when a field changes its meaning, not when one is added.
    """

    VERSION: ClassVar[int] = 1
    ADVICE: ClassVar[str] = "Delete it to have it made again; what was paid for is kept."

    version: int = Field(default=1, ge=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file.

        Raises:
            InputError: it is missing or broken, a newer version wrote it, or it does not hold such a document.
        """
        return cls.parse(runs.read_json(path), path)

    @classmethod
    def parse(cls, document: Any, path: Path) -> Self:
        """Makes a document of what JSON holds.

        Args:
            path: where it was read, for the error.

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
                f"{str(path)!r} is not what cowest wrote there: {first_fault(error)}. {cls.ADVICE}"
            ) from error

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            CowestError: the disk is full, or the folder cannot be written.
        """
        runs.write_json(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The document as JSON holds it."""
        return self.model_dump(mode="json", by_alias=True)


def read_rows(
    path: Path, row: type[Row], noun: str, advice: str = "Delete the folder it is in and run the recipe again."
) -> Iterator[Row]:
    """Reads a JSONL file row by row.

    Args:
        row: the model of a row.
        noun: what a row is called in an error.
        advice: what to do about a row that is none.

    Raises:
        InputError: the file is missing or broken, or a row is not of this model; the message names line and field.
    """
    for number, document in enumerate(runs.read_jsonl(path), 1):
        try:
            yield row.model_validate(document)
        except ValidationError as error:
            raise InputError(f"{str(path)!r}, line {number} is no {noun}: {first_fault(error)}. {advice}") from error


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, with its place: "methods.weak_only.calls: Input should be a valid dictionary"."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])
