"""The answered examples of an audit: each with the predictions of the pair and of each model alone."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowest import runs
from cowest.errors import InputError
from cowest.method_names import STRONG_ONLY, WEAK_ONLY, pair_of
from cowest.records import Prediction, read_rows
from cowest.statistics.values import Floats

_AGAIN = "Delete evaluate/results.json and run `cowest evaluate` again: what was paid for is kept."


class Scores(NamedTuple):
    """The headline metric by example, of the pair and of each model alone."""

    pair: Floats
    strong: Floats
    weak: Floats | None


@dataclass(frozen=True)
class Answered:
    """Examples without a failed call, in the order of the evaluation.

    Attributes:
        pair_name: the method that is the pair in its latest state.
        pair, strong: predictions, an entry for each example.
        weak: of the weak model alone; None where it was not evaluated. A failed call of it counts as wrong, as in
            results.json.
        num_failed: examples that are left out.
    """

    pair_name: str
    pair: Sequence[Prediction]
    strong: Sequence[Prediction]
    weak: Sequence[Prediction] | None
    num_failed: int = 0

    @cached_property
    def groups(self) -> list[str | None]:
        """What each example belongs to."""
        return [row.group for row in self.pair]

    @cached_property
    def scores(self) -> Scores:
        """The headline metric of each method."""
        return Scores(_scores(self.pair), _scores(self.strong), None if self.weak is None else _scores(self.weak))

    def groups_of(self, chosen: NDArray[np.bool_]) -> list[str | None]:
        """What each chosen example belongs to."""
        return list(itertools.compress(self.groups, chosen))


def read_answered(run: runs.RunFolder) -> Answered:
    """Reads the predictions of a finished evaluation.

    Raises:
        InputError: the run has no evaluation, not of the pair and the strong model alone, or a file is broken.
    """
    folder = runs.finished_folder(run.evaluate) / "predictions"
    files = {path.stem: path for path in sorted(folder.glob("*.jsonl")) if path.is_file()}
    pair = pair_of(files)
    if pair is None or STRONG_ONLY not in files:
        found = f"predictions of {', '.join(files)}" if files else "no predictions"
        raise InputError(
            f"An audit compares the pair with the strong model alone, but {str(run.path)!r} holds {found}. Run "
            "`cowest evaluate` with evaluate.methods: [weak_only, strong_only, collaborate] first."
        )
    return _matched(pair, {name: _read(files[name]) for name in (pair, STRONG_ONLY, WEAK_ONLY) if name in files})


def _matched(pair: str, rows: dict[str, list[Prediction]]) -> Answered:
    ids = [row.id for row in rows[pair]]
    for name, found in rows.items():
        if [row.id for row in found] != ids:
            raise InputError(f"The predictions of {name} and {pair} are not of the same examples. {_AGAIN}")
    kept = [
        place
        for place, both in enumerate(zip(rows[pair], rows[STRONG_ONLY], strict=True))
        if all(row.error is None for row in both)
    ]
    if not kept:
        raise InputError(f"There is no example which both {pair} and {STRONG_ONLY} answered. {_AGAIN}")
    weak = rows.get(WEAK_ONLY)
    return Answered(
        pair_name=pair,
        pair=[rows[pair][place] for place in kept],
        strong=[rows[STRONG_ONLY][place] for place in kept],
        weak=None if weak is None else [weak[place] for place in kept],
        num_failed=len(ids) - len(kept),
    )


def _read(path: Path) -> list[Prediction]:
    return list(read_rows(path, Prediction, "prediction", _AGAIN))


def _scores(rows: Sequence[Prediction]) -> Floats:
    return np.array([row.correct for row in rows])
