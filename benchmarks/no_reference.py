"""How much of the gain survives where verdicts come without references, on the lab.

A judge without references sees y* and z in both orders and says which is better (`judge: {reference: none}`). No model
of the lab can do that, so the votes are scripted: with a given probability a vote is for the output with the higher
score of the lab's rubric, which knows the reference, else for the other; between equal ones it is a coin of its own in
each order. So the table says how reliable a vote must be, not how reliable any model is.

It goes on in the folder of benchmarks/alignment.py, whose SFT models and replies of the strong model it uses, with the
learning rates of that study. Each point is one line of no_reference.jsonl; what was stopped goes on by the same
command:

    python -m benchmarks.alignment prepare --out runs/alignment
    python -m benchmarks.no_reference run --out runs/alignment
    python -m benchmarks.no_reference summarise --out runs/alignment
"""

import argparse
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from benchmarks.alignment import CALLS, POINTS, SFT, SHIPPED, TEST_SEEDS, Point, Study, keep_to, lines_of, recipe_of

import cowest
from cowest import statistics, synchronous
from cowest.judge import PairwiseJudge
from cowest.ledger import Ledger
from cowest.progress import quietly
from cowest.recipe import Recipe
from cowest.types import ChatRequest

VOTED = "no_reference.jsonl"
RATES = {"dpo, best and worst": 4e-4, "rft": 1e-3}
RELIABILITIES = (None, 1.0, 0.9, 0.8, 0.7, 0.6)
"""The probability of a right vote; None is the rubric itself, with references."""
_COMPARED = re.compile(
    r"<<<QUESTION(?P<mark>\S*)\n(?P<query>.*)\nQUESTION.*<<<FIRST(?P=mark)\n(?P<first>.*)\nFIRST(?P=mark)>>>.*"
    r"<<<SECOND(?P=mark)\n(?P<second>.*)\nSECOND(?P=mark)>>>",
    re.DOTALL,
)


class Voted(Study):
    """A study whose verdicts are votes of this reliability; SFT, drafts and refined outputs are those of the study."""

    def __init__(self, out: Path, recipe: Recipe, seed: int, limit: int, ledger: Ledger, right: float | None) -> None:
        super().__init__(out, recipe, seed, limit, ledger)
        self._of_study = self.folder
        if right is not None:
            self.folder = self.folder / f"votes-{right:g}"
            self.judge = PairwiseJudge(cowest.ScriptedModel(self._voter(right), name=f"scripted/votes-{right:g}"))

    def _sft(self) -> str:
        own, self.folder = self.folder, self._of_study
        try:
            return super()._sft()
        finally:
            self.folder = own

    def _voter(self, right: float) -> Callable[[ChatRequest], str]:
        examples = {example.query: example for example in self.task.train}
        rubric = self.judge

        def vote(request: ChatRequest) -> str:
            prompt = request.messages[-1].content
            compared = _COMPARED.search(prompt)
            assert compared is not None, prompt
            example = examples[compared["query"]]
            first, second = (
                synchronous.run(rubric.score(example, compared[name])).score or 0 for name in ("first", "second")
            )
            drawn = int(hashlib.sha256(f"{self.seed} {prompt}".encode()).hexdigest()[:8], 16) / 16**8
            if first == second:
                return "1" if drawn < 0.5 else "2"
            return "1" if (first > second) == (drawn < right) else "2"

        return vote


def measure(out: Path, recipe: Recipe, seeds: Sequence[int], limit: int) -> None:
    """Adds a line for each point that has none."""
    done = {(line["seed"], line["arm"], line["right_votes"]) for line in lines_of(out / VOTED)}
    for seed in seeds:
        with closing(Ledger(out / f"ledger-{seed}.sqlite")) as ledger:
            for reliability in RELIABILITIES:
                study = Voted(out, recipe, seed, limit, ledger, reliability)
                for arm, rate in RATES.items():
                    if (seed, arm, reliability) in done:
                        continue
                    line = study.measure(Point("test", seed, arm, rate, CALLS, 1)) | {"right_votes": reliability}
                    with (out / VOTED).open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    shown = "the rubric" if reliability is None else f"{reliability:.0%} right votes"
                    print(f"seed {seed}, {arm}, {shown}: {line['accuracy']:.3f}, {line['wall_s']} s", flush=True)


def summarise(out: Path, recipe: Recipe) -> None:
    """Prints the table of docs/judges.md: accuracy, and how far it is above no alignment, by reliability of a vote."""
    lines = {(line["seed"], line["arm"], line["right_votes"]): line for line in lines_of(out / VOTED)}
    before = {
        line["seed"]: line["right"] for line in lines_of(out / POINTS) if (line["split"], line["arm"]) == ("test", SFT)
    }
    cells = [(arm, right) for arm in RATES for right in RELIABILITIES]
    seeds = sorted(seed for seed in before if all((seed, *cell) in lines for cell in cells))
    if not seeds:
        raise SystemExit("No seed has all its points yet.")
    task = cowest.task(recipe.task.name, **recipe.task.options)
    groups = task.groups(task.test[: len(before[seeds[0]])])
    start = np.array([before[seed] for seed in seeds])
    print(f"seeds {seeds}\n")
    print("| method | verdicts | rows | accuracy | above before alignment, in points |")
    print("|---|---|---|---|---|")
    for arm, right in cells:
        found = [lines[seed, arm, right] for seed in seeds]
        rows = np.array([line["right"] for line in found])
        mean = statistics.mean_interval_over_seeds(rows, groups)
        gain = statistics.paired_difference_over_seeds(rows, start, groups)
        verdicts = "with references" if right is None else f"{right:.0%} right votes"
        print(
            f"| {arm} | {verdicts} | {np.mean([line['rows'] for line in found]):.0f} "
            f"| {100 * mean.value:.1f}% [{100 * mean.low:.1f}, {100 * mean.high:.1f}] "
            f"| {100 * gain.difference:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}] |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["run", "summarise"])
    parser.add_argument("--out", type=Path, default=Path("runs/alignment"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(TEST_SEEDS))
    parser.add_argument("--limit", type=int, default=300, help="rows of the split that are answered")
    parser.add_argument("--lab", default=SHIPPED, help="another lab: a folder of cowest lab build")
    options = parser.parse_args()
    recipe = recipe_of(options.lab)
    with quietly():
        if options.part == "run":
            keep_to(options.lab, options.out)
            measure(options.out, recipe, options.seeds, options.limit)
        else:
            summarise(options.out, recipe)


if __name__ == "__main__":
    main()
