"""Rows of Parquet files."""

import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from cowest.errors import InputError
from cowest.tasks import _text
from cowest.tasks._lines import refuse_repeated_columns


def parquet_rows(location: str, stream: io.BufferedIOBase) -> Iterator[tuple[str, Any]]:
    """Reads the rows in batches, each with its position ("row 3").

    Raises:
        InputError: pyarrow is not installed, the file is broken, or a text in it is not UTF-8.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"Reading {location!r} needs pyarrow. Install it: pip install 'cowest[train]'.") from error
    number = 0
    # Parquet is read from its end, so a compressed file has to be unpacked first.
    with tempfile.TemporaryFile() if isinstance(stream, gzip.GzipFile) else stream as source:
        if source is not stream:
            shutil.copyfileobj(stream, source)
            source.seek(0)
        try:
            # With a buffer, a column is read page by page instead of a whole row group at once.
            with pyarrow.parquet.ParquetFile(source, buffer_size=2**20, pre_buffer=False) as file:
                refuse_repeated_columns(location, file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=1024):
                    columns = [_column(location, batch, name, number) for name in batch.schema.names]
                    for values in zip(*columns, strict=True):
                        number += 1
                        yield f"row {number}", dict(zip(batch.schema.names, values, strict=True))
        except pyarrow.ArrowException as error:
            raise InputError(f"{location!r} is broken after row {number}, or is not Parquet: {error}.") from error


def _column(location: str, batch: Any, name: str, num_before: int) -> list[Any]:
    column = batch.column(name)
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        for number, value in enumerate(column, start=num_before + 1):
            try:
                value.as_py()
            except UnicodeDecodeError as error:
                raise _text.no_utf8(error.object, error.start, f"{location!r}, row {number}, field {name!r}") from error
        raise
    return values
