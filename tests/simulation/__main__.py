"""Many seeds, or one of them with its trace.

python -m tests.simulation --seeds 10000 --workers 2
python -m tests.simulation --seed 42 --trace
"""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.many import try_many
from tests.simulation.plan import plan_of
from tests.simulation.trial import Outcome, try_seed

_REPORT_EVERY = 500
_LAST_STEPS = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="shows everything that happened, not only the end")
    given = parser.parse_args()
    if given.seed is not None:
        outcome = try_seed(given.seed)
        _show(given.seed, outcome, whole=given.trace)
        return int(outcome.violation is not None)
    return int(_run(range(given.first, given.first + given.seeds), given.workers))


def _run(seeds: range, workers: int) -> bool:
    """Runs the seeds; whether one of them failed."""
    started = time.monotonic()
    ends: Counter[str] = Counter()
    works: Counter[str] = Counter()
    failed: list[int] = []
    for count, (seed, outcome) in enumerate(try_many(seeds, workers), 1):
        ends.update(outcome.ends)
        works[plan_of(seed).work] += 1
        if outcome.violation is not None:
            failed.append(seed)
            _show(seed, outcome, whole=False)
        if count % _REPORT_EVERY == 0 or count == len(seeds):
            minutes = (time.monotonic() - started) / 60
            print(f"{count} seeds, {len(failed)} failed, {count / minutes:.0f} a minute", flush=True)
    print(f"runs: {_listed(works)}; processes: {_listed(ends)}")
    if failed:
        print(
            f"failed: {', '.join(map(str, sorted(failed)))}; see one with: python -m tests.simulation --seed N --trace"
        )
    return bool(failed)


def _show(seed: int, outcome: Outcome, *, whole: bool) -> None:
    print(f"seed {seed}: {plan_of(seed)}")
    for line in outcome.trace if whole else outcome.trace[-_LAST_STEPS if outcome.violation else len(outcome.trace) :]:
        print(f"  {line}")
    print(f"seed {seed}, processes {outcome.ends}: {outcome.violation or 'every invariant holds'}", flush=True)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


if __name__ == "__main__":
    sys.exit(main())
