"""Many seeds, in as many processes as wanted."""

import gc
import multiprocessing
from collections.abc import Iterator

from tests.simulation.trial import Outcome, try_seed


def try_many(seeds: range, workers: int) -> Iterator[tuple[int, Outcome]]:
    """Runs the seeds; each with its outcome, in the order in which they are done."""
    if workers == 1:
        yield from map(_try, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(workers, gc.freeze) as pool:
        yield from pool.imap_unordered(_try, seeds, chunksize=8)


def _try(seed: int) -> tuple[int, Outcome]:
    outcome = try_seed(seed)
    outcome.files.clear()
    if outcome.violation is None:
        outcome.trace.clear()
    return seed, outcome
