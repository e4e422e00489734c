"""Rows as token ids in Arrow files, written once by the main process and mapped into memory by all ranks."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, overload

import datasets
import pyarrow as pa
from transformers import TrainingArguments

from cowest.training.rows import ChatRow, TokenRow, tokenize

_AT_ONCE = 1000
_TOKENS = pa.list_(pa.int32())
_TOKEN_ROW = pa.schema(
    [
        ("id", pa.binary()),  # it may hold half surrogate pairs, which Arrow's texts may not
        ("prompt", _TOKENS),
        ("completions", pa.list_(_TOKENS)),
        ("gain", pa.int64()),
    ]
)


class TokenRows(Sequence[TokenRow]):
    """Rows in an Arrow file, read when they are asked for."""

    def __init__(self, rows: datasets.Dataset) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> TokenRow: ...
    @overload
    def __getitem__(self, index: slice) -> "TokenRows": ...
    def __getitem__(self, index: int | slice) -> "TokenRow | TokenRows":
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return _token_row(self._rows[index])

    def __iter__(self) -> Iterator[TokenRow]:
        for start in range(0, len(self), _AT_ONCE):
            columns = self._rows[start : start + _AT_ONCE]
            for values in zip(*columns.values(), strict=True):
                yield _token_row(dict(zip(columns, values, strict=True)))

    def take(self, positions: Sequence[int]) -> "TokenRows":
        """The rows at these positions, in this order."""
        return TokenRows(self._rows.select(positions or []))  # an empty range that begins at the end is refused


class RowFiles:
    """The folder of a training's Arrow files; it is removed where the context ends.

    All ranks must see it, or each writes its own.

    Args:
        folder: made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._own:
            shutil.rmtree(folder, ignore_errors=True)

    def tokenized(
        self, rows: Sequence[ChatRow], tokenizer: Any, end_ids: Sequence[int], arguments: TrainingArguments
    ) -> TokenRows:
        """The rows as token ids; see `tokenize`.

        Raises:
            InputError: the template refuses a conversation, in all ranks.
        """

        def batches() -> Iterator[pa.RecordBatch]:
            for start in range(0, len(rows), _AT_ONCE):
                yield _batch(map(_fields, tokenize(rows[start : start + _AT_ONCE], tokenizer, end_ids)), _TOKEN_ROW)

        return TokenRows(self._shared("rows.arrow", batches, arguments, _TOKEN_ROW))

    def of_trainer(self, columns: Iterable[Mapping[str, Any]], arguments: TrainingArguments) -> datasets.Dataset:
        """A trainer's data set, with these columns and at least one row. Only the main process reads `columns`."""

        def batches() -> Iterator[pa.RecordBatch]:
            each, schema = iter(columns), None
            while part := list(islice(each, _AT_ONCE)):
                schema = schema or _schema(part[0])
                yield _batch(part, schema)

        return self._shared("columns.arrow", batches, arguments)

    def _shared(
        self,
        name: str,
        batches: Callable[[], Iterator[pa.RecordBatch]],
        arguments: TrainingArguments,
        schema: pa.Schema | None = None,
    ) -> datasets.Dataset:
        state = arguments.distributed_state
        if state.is_main_process:
            try:
                file = self._write(self._folder / name, batches(), schema)
            finally:
                state.wait_for_everyone()
        else:
            state.wait_for_everyone()
            file = self._folder / name
            if not file.is_file():  # it failed there, and does here, or this rank has another disk
                file = self._write(self._folder / f"rank-{state.process_index}" / name, batches(), schema)
        return datasets.Dataset.from_file(str(file))

    def _write(self, file: Path, batches: Iterator[pa.RecordBatch], schema: pa.Schema | None) -> Path:
        file.unlink(missing_ok=True)  # of a process that was killed
        first = next(batches, None)
        schema = schema or (first.schema if first is not None else pa.schema([]))
        self._own.append(file.parent)
        file.parent.mkdir(parents=True, exist_ok=True)
        begun = file.with_suffix(".partial")
        with pa.OSFile(str(begun), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            if first is not None:
                writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        return begun.replace(file)


def _batch(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=schema)


def _schema(row: Mapping[str, Any]) -> pa.Schema:
    kinds = {bool: pa.bool_(), float: pa.float64(), str: pa.string()}
    return pa.schema(
        [(name, _TOKENS if isinstance(value, list) else kinds[type(value)]) for name, value in row.items()]
    )


def _fields(row: TokenRow) -> dict[str, Any]:
    name = row.id.encode("utf-8", "surrogatepass")
    return {"id": name, "prompt": row.prompt, "completions": list(row.completions), "gain": row.gain}


def _token_row(fields: Mapping[str, Any]) -> TokenRow:
    return TokenRow(
        id=fields["id"].decode("utf-8", "surrogatepass"),
        prompt=fields["prompt"],
        completions=tuple(fields["completions"]),
        gain=fields["gain"],
    )
