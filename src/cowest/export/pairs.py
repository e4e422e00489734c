"""Preference pairs as Parquet in TRL's conversational schema."""

from itertools import islice
from pathlib import Path
from typing import Any

from cowest.characters import without_half_pairs
from cowest.errors import InputError
from cowest.records import PreferencePair, read_rows

_ROWS_PER_GROUP = 1000


def write_parquet(pairs: Path, target: Path) -> int:
    """Writes the pairs of one round; returns their number, on which memory use does not depend.

    Raises:
        InputError: a line is not a pair, or pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError(f"Parquet needs pyarrow ({error}). Install it: pip install 'cowest[train]'.") from error
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    column_types: dict[Any, Any] = {str: pa.string(), int: pa.int64(), int | None: pa.int64()}
    columns = [
        (name, column_types.get(field.annotation, pa.list_(message)))
        for name, field in PreferencePair.model_fields.items()
    ]
    schema = pa.schema(columns)
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        rows = (_writable(pair.model_dump()) for pair in read_rows(pairs, PreferencePair, "preference pair"))
        while group := list(islice(rows, _ROWS_PER_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _writable(value: Any) -> Any:
    """The value with U+FFFD for half surrogate pairs, as it is trained on: Parquet's texts are UTF-8."""
    if isinstance(value, str):
        return without_half_pairs(value)
    if isinstance(value, dict):
        return {name: _writable(part) for name, part in value.items()}
    return [_writable(part) for part in value] if isinstance(value, list | tuple) else value
