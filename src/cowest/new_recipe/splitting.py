"""One file of rows split in two: the rows of one question, or of one group, are all on the same side."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from cowest.errors import InputError
from cowest.runs.files import open_new
from cowest.tasks import Row

SHARE = 0.2
"""Of the questions or groups go into the test file."""


def split_rows(
    read: Callable[[], Iterable[Row]], question: str, group: str | None, train: Path, test: Path
) -> tuple[int, int]:
    """Writes every row to `train` or `test`; returns how many each got. The same file is always split the same way.

    Args:
        question, group: columns; rows with the same group, or without one the same question, stay together.

    Raises:
        InputError: there are fewer than two different questions.
    """
    ranks = sorted({_rank(row, question, group) for row in read()})
    if len(ranks) < 2:
        raise InputError(
            "The file has fewer than two different questions or groups, so it cannot be split into train and test. "
            "Give both: --train FILE --test FILE."
        )
    last_of_test = ranks[max(1, round(len(ranks) * SHARE)) - 1]
    counts = {train: 0, test: 0}
    for path in counts:
        path.parent.mkdir(parents=True, exist_ok=True)
    with open_new(train) as train_file, open_new(test) as test_file:
        files = {train: train_file, test: test_file}
        for row in read():
            side = test if _rank(row, question, group) <= last_of_test else train
            counts[side] += 1
            files[side].write(json.dumps(row.fields, default=str) + "\n")
    return counts[train], counts[test]


def _rank(row: Row, question: str, group: str | None) -> bytes:
    text = (row.optional_text(group) if group else None) or " ".join(row.text(question).casefold().split())
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
