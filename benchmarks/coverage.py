"""How often the intervals hold the true value: rows x groups x how alike rows of a group are x what is measured.

    python benchmarks/coverage.py [--draws 2000] [--seed 0]
    python benchmarks/coverage.py --training-seeds

Prints a table in Markdown. Each entry is the share of drawn test sets whose interval at 95% holds the truth, over
several truths (`KINDS`), since coverage of a share jumps with the truth by itself. Rows of a group are alike to the
degree r, the intraclass correlation: 0 (not at all), .1 (some), .5 (strong), 1 (copies of each other).

With `--training-seeds` the same for rows measured with 2, 3 and 5 training seeds. A seed moves the probability of a
right answer on every row by the same amount, drawn with the standard deviation sigma, and two seeds get the same rows
right to a degree of .5. The truth is over all seeds and all rows.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from cowest import classification, statistics

Floats = NDArray[np.float64]
Rng = np.random.Generator


class Kind(NamedTuple):
    """A quantity: the probabilities of the outcomes of a row, and the truth and the interval for some outcomes."""

    name: str
    probabilities: Sequence[Sequence[float]]
    truth: Callable[[Sequence[float]], float]
    interval: Callable[[NDArray[np.intp], list[str], Rng], tuple[float, float]]


def _mean(outcomes: NDArray[np.intp], groups: list[str], rng: Rng) -> tuple[float, float]:
    found = statistics.mean_interval(outcomes.astype(float), groups)
    return found.low, found.high


def _partial(outcomes: NDArray[np.intp], groups: list[str], rng: Rng) -> tuple[float, float]:
    """Scores like token F1: 0, 1, or something between with a mean of a half."""
    scores = np.array([0.0, 0.5, 1.0])[outcomes]
    scores = np.where(scores == 0.5, rng.uniform(0.1, 0.9, len(scores)), scores)
    found = statistics.mean_interval(scores, groups)
    return found.low, found.high


def _difference(outcomes: NDArray[np.intp], groups: list[str], rng: Rng) -> tuple[float, float]:
    found = statistics.paired_difference((outcomes == 2).astype(float), (outcomes == 0).astype(float), groups)
    return found.low, found.high


_LABELS = np.array(["a", "b", "c"])


def _macro_f1(outcomes: NDArray[np.intp], groups: list[str], rng: Rng) -> tuple[float, float]:
    """Three labels, as likely; a wrong answer is any of the other two."""
    gold = rng.integers(3, size=len(outcomes))
    given = np.where(outcomes == 1, gold, (gold + rng.integers(1, 3, size=len(gold))) % 3)
    found = classification.macro_f1_interval(list(_LABELS[gold]), list(_LABELS[given]), groups)
    return found.low, found.high


KINDS = (
    Kind("share, .3 to .7", [(1 - p, p) for p in (0.3, 0.45, 0.6, 0.7)], lambda p: p[1], _mean),
    Kind("share, .1 to .2", [(1 - p, p) for p in (0.1, 0.15, 0.2)], lambda p: p[1], _mean),
    Kind("share, .02 to .09", [(1 - p, p) for p in (0.02, 0.03, 0.05, 0.07, 0.09)], lambda p: p[1], _mean),
    Kind("share, .91 to .98", [(1 - p, p) for p in (0.91, 0.93, 0.95, 0.97, 0.98)], lambda p: p[1], _mean),
    Kind("partial scores", [(0.5, 0.2, 0.3), (0.2, 0.3, 0.5)], lambda p: p[1] / 2 + p[2], _partial),
    Kind("macro-F1", [(1 - p, p) for p in (0.5, 0.7)], lambda p: p[1], _macro_f1),
    Kind("no difference", [(c, 1 - 2 * c, c) for c in (0.1, 0.15, 0.2)], lambda p: 0.0, _difference),
    Kind(
        "difference .15 to .3",
        [(0.1, 0.65, 0.25), (0.1, 0.5, 0.4), (0.05, 0.75, 0.2)],
        lambda p: p[2] - p[0],
        _difference,
    ),
    Kind("difference .65 to .88", [(0.05, 0.25, 0.7), (0.02, 0.08, 0.9)], lambda p: p[2] - p[0], _difference),
    Kind("rows rarely differ", [(0.05, 0.9, 0.05), (0.02, 0.88, 0.1)], lambda p: p[2] - p[0], _difference),
)

LAYOUTS = (
    (20, 20),
    (50, 50),
    (100, 100),
    (1000, 1000),
    (20, 10),
    (100, 20),
    (100, 50),
    (300, 30),
    (1000, 40),
    (1000, 200),
)
"""Rows, and the groups they are in."""

ALIKE = (0.0, 0.1, 0.5, 1.0)


def sizes(num_rows: int, num_groups: int, rng: Rng) -> NDArray[np.intp]:
    """Sizes of groups: each at least 1, and uneven where there is room."""
    if num_rows == num_groups:
        return np.ones(num_groups, dtype=np.intp)
    more = rng.multinomial(num_rows - num_groups, rng.dirichlet(np.full(num_groups, 8.0)))
    return np.asarray(1 + more, dtype=np.intp)


def draw(probabilities: Sequence[float], of_group: NDArray[np.intp], alike: float, rng: Rng) -> NDArray[np.intp]:
    """Outcomes by row: those of a group share probabilities, which a Dirichlet distribution varies between groups."""
    num_groups = int(of_group.max()) + 1
    wanted = np.array(probabilities)
    if alike == 0.0:
        own = np.broadcast_to(wanted, (num_groups, len(wanted)))
    elif alike == 1.0:
        own = np.eye(len(wanted))[rng.choice(len(wanted), size=num_groups, p=wanted)]
    else:
        gammas = np.maximum(rng.gamma(wanted * (1 - alike) / alike, size=(num_groups, len(wanted))), 1e-300)
        own = gammas / gammas.sum(axis=1, keepdims=True)
    reached = np.cumsum(own, axis=1)[of_group]
    drawn = (rng.random((len(of_group), 1)) > reached).sum(axis=1)
    return np.asarray(np.minimum(drawn, len(wanted) - 1), dtype=np.intp)


def num_covered(kind: Kind, num_rows: int, num_groups: int, alike: float, draws: int, seed: int) -> int:
    """In how many of so many drawn test sets the interval holds the truth."""
    rng = np.random.default_rng([seed, num_rows, num_groups, round(10 * alike)])
    covered = 0
    for index in range(draws):
        probabilities = kind.probabilities[index % len(kind.probabilities)]
        of_group = np.repeat(np.arange(num_groups), sizes(num_rows, num_groups, rng))
        outcomes = draw(probabilities, of_group, alike, rng)
        low, high = kind.interval(outcomes, [str(group) for group in of_group], rng)
        covered += low - 1e-9 <= kind.truth(probabilities) <= high + 1e-9
    return covered


def rows(draws: int, seed: int) -> Iterator[tuple[str, int, int, list[str]]]:
    """The table's rows: what is measured, rows, groups, and coverage by how alike the rows of a group are."""
    for kind in KINDS:
        for num_rows, num_groups in LAYOUTS:
            degrees = ALIKE[:1] if num_rows == num_groups else ALIKE
            shares = [num_covered(kind, num_rows, num_groups, alike, draws, seed) / draws for alike in degrees]
            yield kind.name, num_rows, num_groups, [f"{100 * share:.1f}" for share in shares]


SIGMA = (0.0, 0.01, 0.03, 0.1)
"""By how much training seeds differ: the standard deviation of accuracy over seeds."""

SEEDS = (2, 3, 5)
SEED_LAYOUTS = ((100, 100), (1000, 1000), (100, 20), (1000, 100))
SAME_ROWS = 0.5
SEED_KINDS = ("share, .7", "difference of two trained rows", "difference to an untrained row")


def right_by_seed(
    chance: float, sigma: float, num_seeds: int, of_group: NDArray[np.intp], alike: float, rng: Rng
) -> Floats:
    """Scores of 0 and 1, shape [seeds, rows]: right where a row's difficulty, in part its group's, is low enough."""
    of_rows = np.sqrt(alike) * rng.normal(size=of_group.max() + 1)[of_group]
    of_rows = of_rows + np.sqrt(1 - alike) * rng.normal(size=len(of_group))
    own = rng.normal(size=(num_seeds, len(of_group)))
    difficulty = ndtr(np.sqrt(SAME_ROWS) * of_rows + np.sqrt(1 - SAME_ROWS) * own)
    chances = chance + sigma * rng.normal(size=(num_seeds, 1))
    return np.asarray(difficulty < chances, dtype=np.float64)


def seed_rows(draws: int, seed: int) -> Iterator[tuple[str, int, int, int, list[str]]]:
    """The rows of the table of training seeds: what is measured, rows, groups, seeds, and coverage by sigma."""
    for name in SEED_KINDS:
        for (num_rows, num_groups), num_seeds in itertools.product(SEED_LAYOUTS, SEEDS):
            shares = []
            for sigma in SIGMA:
                rng = np.random.default_rng([seed, num_rows, num_groups, num_seeds, round(100 * sigma)])
                covered = 0
                for _ in range(draws):
                    of_group = np.repeat(np.arange(num_groups), sizes(num_rows, num_groups, rng))
                    alike = 0.0 if num_rows == num_groups else 0.5
                    groups = [str(group) for group in of_group]
                    better = right_by_seed(0.7, sigma, num_seeds, of_group, alike, rng)
                    if name.startswith("share"):
                        truth, interval = 0.7, statistics.mean_interval_over_seeds(better, groups)
                        low, high = interval.low, interval.high
                    else:
                        trained = name.endswith("two trained rows")
                        worse = right_by_seed(0.6, sigma * trained, num_seeds if trained else 1, of_group, alike, rng)
                        truth, found = 0.1, statistics.paired_difference_over_seeds(better, worse, groups)
                        low, high = found.low, found.high
                    covered += low <= truth <= high
                shares.append(f"{100 * covered / draws:.1f}")
            yield name, num_rows, num_groups, num_seeds, shares


def print_training_seeds(draws: int, seed: int) -> None:
    """Prints the table of training seeds."""
    heads = " | ".join(f"sigma = {100 * sigma:g}" for sigma in SIGMA)
    print(f"| measured | rows | groups | seeds | {heads} |\n|---|--:|--:|--:|{'--:|' * len(SIGMA)}")
    for name, num_rows, num_groups, num_seeds, shares in seed_rows(draws, seed):
        print(f"| {name} | {num_rows:,} | {num_groups:,} | {num_seeds} | {' | '.join(shares)} |", flush=True)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training-seeds", action="store_true")
    arguments = parser.parse_args()
    if arguments.training_seeds:
        print_training_seeds(arguments.draws, arguments.seed)
        return
    print("| measured | rows | groups | r = 0 | r = .1 | r = .5 | r = 1 |\n|---|--:|--:|--:|--:|--:|--:|")
    for name, num_rows, num_groups, shares in rows(arguments.draws, arguments.seed):
        cells = [*shares, *[""] * (len(ALIKE) - len(shares))]
        print(f"| {name} | {num_rows:,} | {num_groups:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
