"""Accuracy of the pair against paid calls, for every method of alignment, at equal spend, on the lab.

All is local and costs nothing, so a paid call is what would be paid elsewhere: a call of the strong model, for z or a
refined output (a verdict comes with each, so that the judge is asked as often). A round is given a number of calls and
takes new queries in random order until they are spent. Rounds of an arm start from its own last round. All arms of a
seed share the SFT model and z, and in the first round the drafts and verdicts, except grpo, which samples its own.

`prepare` makes what all arms of a test seed share: the SFT model, its accuracy, the ceiling, drafts and verdicts of the
first round. `tune` runs every arm for one round at every learning rate and looks at the validation split only, with a
seed of its own. `test` runs every arm at the rate that was best for it on the test split, with other seeds. `summarise`
prints tables and draws the figure. `--lab` names another lab, built by `cowest lab build`. Each point is one line of
points.jsonl; a step that was stopped goes on by the same command, and processes may share the seeds of a step between
them:

    python benchmarks/alignment.py prepare --out runs/alignment
    python benchmarks/alignment.py tune --out runs/alignment
    python benchmarks/alignment.py test --out runs/alignment
    python benchmarks/alignment.py summarise --out runs/alignment --figure docs/alignment-calls
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cowest
from cowest import answers, preferences, statistics, synchronous
from cowest.alignment import Online
from cowest.annotators.base import PERFECT
from cowest.concurrency import map_in_flight
from cowest.figures import BLUE, GREY, save_panels
from cowest.judge import as_base_judge, load_judge
from cowest.ledger import Ledger
from cowest.models import Metered, open_model
from cowest.plugins import resolve_path
from cowest.progress import quietly
from cowest.prompts import Prompts
from cowest.recipe import Recipe, make_recipe
from cowest.records import GradedExample, read_rows
from cowest.stages.queries import shuffled
from cowest.types import Example, GradedDraft, Sampling
from cowest.yaml_reading import read_yaml

SHIPPED = "cowest.lab:assets"
SAMPLES = cowest.load_recipe("cowest.lab:recipe.yaml").feedback.samples
TUNING_SEEDS, TEST_SEEDS = (100,), (0, 1, 2, 3, 4)
CALLS, ROUNDS, CHUNK = 300, 3, 25
SFT, CEILING = "sft", "ceiling"
POINTS = "points.jsonl"
PAIR_RATES = (2e-4, 4e-4)
DRAFT_RATES = (2e-4, 4e-4, 8e-4)
SUPERVISED_RATES = (3e-4, 1e-3, 3e-3)


@dataclass(frozen=True)
class Arm:
    """A method with its settings.

    Attributes:
        changes: of the recipe's section align.
        rates: learning rates that are tried.
        skips: whether drafts that could change no pair are skipped, which leaves calls for more queries.
    """

    changes: dict[str, Any]
    rates: tuple[float, ...] = PAIR_RATES
    skips: bool = False

    @property
    def is_online(self) -> bool:
        """Whether it drafts while it trains."""
        return bool(self.changes["method"] == "grpo")


ARMS = {
    "dpo": Arm({"method": "dpo"}, DRAFT_RATES, skips=True),
    "dpo, offset": Arm({"method": "dpo", "weight": "offset"}, skips=True),
    "dpo, best and worst": Arm({"method": "dpo", "pairs": "best_worst"}),
    "dpo, all pairs": Arm({"method": "dpo", "pairs": "all"}),
    "kto": Arm({"method": "kto"}, DRAFT_RATES),
    "rft": Arm({"method": "rft"}, SUPERVISED_RATES),
    "grpo": Arm(
        {"method": "grpo", "generations": SAMPLES, "batch_size": 5 * SAMPLES, "gradient_accumulation": 1, "epochs": 1},
        DRAFT_RATES,
    ),
}


@dataclass(frozen=True)
class Point:
    """What is measured: an arm after some rounds of so many calls each; no round is the SFT model."""

    split: str
    seed: int
    arm: str
    rate: float
    calls: int
    rounds: int

    def after(self, rounds: int) -> "Point":
        """The same arm after another number of rounds."""
        return Point(self.split, self.seed, self.arm, self.rate, self.calls, rounds)


class Study:
    """The models and data of one seed, which all arms share.

    Args:
        out: where adapters, feedback and points are kept.
        recipe: with the lab's models and data.
    """

    def __init__(self, out: Path, recipe: Recipe, seed: int, limit: int, ledger: Ledger) -> None:
        self.out, self.recipe, self.seed, self.limit = out, recipe, seed, limit
        self.folder = out / f"seed-{seed}"
        self.task = cowest.task(recipe.task.name, **recipe.task.options)
        self.prompts = Prompts(recipe.prompts)
        self.judge = load_judge("cowest.lab.judge:RubricJudge", self.task)
        self.ledger = ledger
        self.strong = open_model(recipe.strong, role="strong", ledger=ledger, seed=seed)

    def measure(self, point: Point) -> dict[str, Any]:
        """One line: the calls so far, the rows learned from in the last round, and right or wrong for every row."""
        started = time.monotonic()
        model, rows, calls = (None, 0, 0) if point.arm == CEILING else self.model(point)
        right = self.right(model, point.split)
        return {
            **vars(point),
            "paid_calls": calls,
            "rows": rows,
            "right": right,
            "accuracy": sum(right) / len(right),
            "wall_s": round(time.monotonic() - started, 1),
        }

    def model(self, point: Point) -> tuple[str, int, int]:
        """The weak model of a point, the rows of its last round, and the strong calls of all its rounds."""
        if point.rounds == 0:
            return self._sft(), 0, 0
        start, _, paid = self.model(point.after(point.rounds - 1))
        online = None
        if ARMS[point.arm].is_online:
            queries = self._queries(point)[: point.calls // (SAMPLES + 1)]
            pair = self._pair(self.strong, self.recipe.weak.sampling, self.recipe.strong.sampling)  # training drafts
            online = Online({example.id: example for example in queries}, pair, as_base_judge(self.judge))
            graded = self._feedback(queries, start, self.folder / _name(point) / f"solo-{point.rounds}", kind="solo")
        else:
            graded = self._graded(point, start)
        trained = cowest.align(
            start,
            graded,
            out=self.folder / _name(point) / f"round-{point.rounds}",
            config=self.recipe.align.changed_to(ARMS[point.arm].changes | {"learning_rate": point.rate}),
            lora=self.recipe.lora,
            prompts=self.prompts,
            seed=self.seed + point.rounds,
            online=online,
        )
        drafted = (trained.metrics.calls or {}).get("strong", 0)
        return trained.model, trained.metrics.num_rows or 0, paid + sum(map(_cost, graded)) + drafted

    def prepare(self) -> None:
        """The drafts and verdicts of the first round, for an arm that skips none."""
        arm = next(name for name, settings in ARMS.items() if not (settings.skips or settings.is_online))
        self._graded(Point("test", self.seed, arm, 0.0, CALLS, 1), self._sft())

    def _sft(self) -> str:
        trained = cowest.sft(
            self.recipe.weak.model,
            self.task.train,
            out=self.folder / "sft",
            config=self.recipe.sft,
            lora=self.recipe.lora,
            prompts=self.prompts,
            seed=self.seed,
        )
        return trained.model

    def _graded(self, point: Point, drafter: str) -> list[GradedExample]:
        """The queries that the calls of a round pay for, with their drafts and verdicts."""
        queries = self._queries(point)
        folder = self.folder / ("round-1" if point.rounds == 1 else f"{_name(point)}/feedback-{point.rounds}")
        found: list[GradedExample] = []
        while sum(map(_cost, found)) < point.calls:
            part = queries[len(found) : len(found) + CHUNK]
            rows = self._feedback(part, drafter, folder / str(len(found)))
            found += [_settled(row) for row in rows] if ARMS[point.arm].skips else rows
        while sum(map(_cost, found)) > point.calls:
            found.pop()
        return found

    def _queries(self, point: Point) -> list[Example]:
        # Each round has queries of its own, so that no z is needed twice: a third of the calls is always enough.
        return shuffled(self.task.train, self.seed, 1)[(point.rounds - 1) * point.calls // 3 :]

    def _feedback(
        self, queries: Sequence[Example], drafter: str, out: Path, kind: str = "collaborative"
    ) -> list[GradedExample]:
        if not (out / "summary.json").is_file():
            weak = open_model(self.recipe.weak.model_copy(update={"model": drafter}), role="weak", seed=self.seed)
            cowest.feedback(
                queries,
                weak=weak,
                strong=self.strong,
                judge=self.judge,
                out=out,
                kind=kind,
                samples=SAMPLES,
                skip_settled=False,
                prompts=self.prompts,
                weak_sampling=self.recipe.weak.sampling,
                strong_sampling=self.recipe.strong.sampling,
                ledger=self.ledger,
                seed=self.seed,
                num_in_flight=self.recipe.strong.max_concurrency,
                load_pairs=False,
            )
            synchronous.run(weak.close())
        return list(read_rows(out / "graded.jsonl", GradedExample, "graded example"))

    def _pair(self, weak: Metered, weak_sampling: Sampling, strong_sampling: Sampling) -> cowest.Collaboration:
        return cowest.Collaboration(
            weak, self.strong, prompts=self.prompts, weak_sampling=weak_sampling, strong_sampling=strong_sampling
        )

    def right(self, weak: str | None, split: str) -> list[int]:
        """1 or 0 for each of the first rows of a split, answered by the pair, or with perfect drafts."""
        drafter = self.recipe.weak.model if weak is None else weak
        opened = open_model(self.recipe.weak.model_copy(update={"model": drafter}), role="weak", seed=self.seed)
        sampling = self.recipe.evaluate
        pair = self._pair(
            opened,
            sampling.weak_sampling or self.recipe.weak.sampling,
            sampling.strong_sampling or self.recipe.strong.sampling,
        )

        async def work(example: Example) -> int:
            perfect = self.task.oracle_draft(example) or ""
            draft = perfect if weak is None else (await pair.draft(example.query)).text
            answer = answers.parse((await pair.refine(example.query, draft)).text)
            return int(self.task.score(example, answer)[self.task.metric] >= 1.0)

        rows = self.task.split(split)[: self.limit]
        found: list[int] = synchronous.run(map_in_flight(work, rows, self.recipe.strong.max_concurrency))
        synchronous.run(opened.close())
        return found


def _name(point: Point) -> str:
    return f"{point.arm.replace(', ', '-').replace(' ', '-')}/{point.rate:g}/{point.calls}"


def _cost(row: GradedExample) -> int:
    """Strong calls of a query: z, and each draft refined."""
    return 1 + len(row.drafts)


def _settled(row: GradedExample) -> GradedExample:
    """The drafts that feedback would have made with `skip_settled`, which draws them in waves."""
    kept: list[GradedDraft] = []
    while row.solo_verdict.score != PERFECT and len(kept) < SAMPLES:
        wave = min(SAMPLES - len(kept), preferences.num_drafts_to_settle(kept, SAMPLES))
        if wave == 0:
            break
        kept += row.drafts[len(kept) : len(kept) + wave]
    return row.model_copy(update={"drafts": tuple(kept)})


def recipe_of(lab: str) -> Recipe:
    """The lab's recipe, with the models and data of a folder that `cowest lab build` wrote."""
    text = resolve_path("cowest.lab:recipe.yaml").read_text(encoding="utf-8")
    return make_recipe(read_yaml(text.replace(SHIPPED, lab)))


def keep_to(lab: str, out: Path) -> None:
    """Refuses to measure on one lab into the folder of another, whose points would count as this lab's."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "lab.txt"
    if not file.is_file():
        file.write_text(lab, encoding="utf-8")
    if (first := file.read_text(encoding="utf-8")) != lab:
        sys.exit(f"{out} holds measurements on the lab {first}, and --lab is {lab}; give another --out.")


def measure(out: Path, recipe: Recipe, points: Sequence[Point], limit: int) -> None:
    """Adds a line to points.jsonl for each point that has none."""
    done = {_point(line) for line in lines_of(out / POINTS)}
    for seed in dict.fromkeys(point.seed for point in points):
        with closing(Ledger(out / f"ledger-{seed}.sqlite")) as ledger:
            study = Study(out, recipe, seed, limit, ledger)
            for point in points:
                if point.seed != seed or point in done:
                    continue
                line = study.measure(point)
                with (out / POINTS).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                shown = f"{point.arm}, rate {point.rate:g}, {point.rounds} x {point.calls} calls"
                print(f"{point.split}, seed {seed}, {shown}: {line['accuracy']:.3f}, {line['wall_s']} s", flush=True)


def lines_of(file: Path) -> list[dict[str, Any]]:
    """What was measured so far; nothing where there is no file yet."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def _point(line: dict[str, Any]) -> Point:
    return Point(**{name: line[name] for name in Point.__dataclass_fields__})


def tuning_points(seeds: Sequence[int]) -> Iterator[Point]:
    """One round of every arm at every rate."""
    for seed in seeds:
        for arm, settings in ARMS.items():
            for rate in settings.rates:
                yield Point("validation", seed, arm, rate, CALLS, 1)


def tuned(out: Path) -> dict[str, dict[float, float]]:
    """Mean validation accuracy by arm and rate."""
    lines = [line for line in lines_of(out / POINTS) if (line["split"], line["calls"]) == ("validation", CALLS)]
    return {
        arm: {
            rate: float(np.mean([line["accuracy"] for line in lines if (line["arm"], line["rate"]) == (arm, rate)]))
            for rate in settings.rates
            if any((line["arm"], line["rate"]) == (arm, rate) for line in lines)
        }
        for arm, settings in ARMS.items()
        if any(line["arm"] == arm for line in lines)
    }


def test_points(seeds: Sequence[int], best: dict[str, float]) -> Iterator[Point]:
    """Every arm at its rate: rounds of as many calls each, and one round of the calls of all of them."""
    for seed in seeds:
        yield from shared_points([seed])
        for rounds in range(1, ROUNDS + 1):
            yield from (Point("test", seed, arm, rate, CALLS, rounds) for arm, rate in best.items())
        yield from (Point("test", seed, arm, rate, CALLS * ROUNDS, 1) for arm, rate in best.items())


def shared_points(seeds: Sequence[int]) -> Iterator[Point]:
    """The pair after SFT, and with perfect drafts."""
    for seed in seeds:
        yield Point("test", seed, SFT, 0.0, 0, 0)
        yield Point("test", seed, CEILING, 0.0, 0, 0)


def best_rates(out: Path) -> dict[str, float]:
    """The rate of each arm with the best validation accuracy."""
    return {arm: max(rates, key=rates.__getitem__) for arm, rates in tuned(out).items()}


def summarise(out: Path, recipe: Recipe, arms: Sequence[str], figure: Path | None) -> None:
    """Prints the tables of docs/alignment.md, and draws its figure."""
    for arm, rates in tuned(out).items():
        print(f"validation, {arm}: " + ", ".join(f"{rate:g}: {100 * found:.1f}%" for rate, found in rates.items()))
    curves = Curves(out, recipe, arms)
    curves.print_tables()
    if figure is not None:
        save_panels(figure, curves.draw, len(curves.arms), columns=4, height=4.4)


class Curves:
    """Test accuracy by arm, calls of a round and number of rounds.

    Over the seeds that have the first round of every arm; of further rounds, those that all these seeds have.
    """

    def __init__(self, out: Path, recipe: Recipe, arms: Sequence[str]) -> None:
        lines = [
            line for line in lines_of(out / POINTS) if line["split"] == "test" and line["arm"] in (SFT, CEILING, *arms)
        ]
        cells = {(line["arm"], line["calls"], line["rounds"]) for line in lines}
        by_key = {(line["seed"], line["arm"], line["calls"], line["rounds"]): line for line in lines}
        main = [cell for cell in cells if cell[1] == 0 or cell[1:] == (CALLS, 1)]
        seeds = {line["seed"] for line in lines}
        self.seeds = sorted(seed for seed in seeds if all((seed, *cell) in by_key for cell in main))
        self.of_seed = {key: (line["paid_calls"], 100 * line["accuracy"]) for key, line in by_key.items()}
        cells = {cell for cell in cells if all((seed, *cell) in by_key for seed in self.seeds)}
        self.right = {cell: np.array([by_key[(seed, *cell)]["right"] for seed in self.seeds]) for cell in cells}
        self.calls = {cell: float(np.mean([by_key[(s, *cell)]["paid_calls"] for s in self.seeds])) for cell in cells}
        task = cowest.task(recipe.task.name, **recipe.task.options)
        num_rows = len(next(iter(self.right.values()))[0])
        self.groups = task.groups(task.test[:num_rows])
        self.arms = [arm for arm in arms if (arm, CALLS, 1) in self.right]

    def print_tables(self) -> None:
        """Accuracies, differences to the model before alignment and to dpo, calls for 95% of the way to the ceiling."""
        print(f"\nseeds {self.seeds}; SFT {self._cell((SFT, 0, 0))}, ceiling {self._cell((CEILING, 0, 0))}")
        schedules = [(CALLS, rounds) for rounds in range(1, ROUNDS + 1)] + [(CALLS * ROUNDS, 1)]
        titles = [f"{rounds} x {calls} calls" for calls, rounds in schedules]
        print("\n| method | " + " | ".join(titles) + " | calls for 95% of the way |")
        print("|---" * (len(schedules) + 2) + "|")
        for arm in self.arms:
            print(
                f"| {arm} | " + " | ".join(self._cell((arm, *each)) for each in schedules) + f" | {self._reach(arm)} |"
            )
        for base, name in ((SFT, "not aligned"), (self.arms[0], self.arms[0])):
            print(f"\n| better than {name} by, in points | " + " | ".join(titles) + " |")
            print("|---" * (len(schedules) + 1) + "|")
            for arm in self.arms:
                if arm != base:
                    differences = (self._difference(arm, base, *each) for each in schedules)
                    print(f"| {arm} | " + " | ".join(differences) + " |")

    def _cell(self, cell: tuple[str, int, int]) -> str:
        if cell not in self.right:
            return ""
        found = statistics.mean_interval_over_seeds(self.right[cell], self.groups)
        return f"{100 * found.value:.1f}% [{100 * found.low:.1f}, {100 * found.high:.1f}]"

    def _difference(self, arm: str, base: str, calls: int, rounds: int) -> str:
        one = self.right.get((arm, calls, rounds))
        other = self.right.get((base, 0, 0) if base == SFT else (base, calls, rounds))
        if one is None or other is None:
            return ""
        found = statistics.paired_difference_over_seeds(one, other, self.groups)
        return f"{100 * found.difference:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"

    def _curve(self, arm: str) -> list[tuple[str, int, int]]:
        cells = [(SFT, 0, 0)] + [(arm, CALLS, rounds) for rounds in range(1, ROUNDS + 1)]
        return [cell for cell in cells if cell in self.right]

    def _reach(self, arm: str) -> str:
        """Calls after which the straight line between two rounds is 95% of the way from SFT to the ceiling."""
        cells = self._curve(arm)
        accuracy = [float(self.right[cell].mean()) for cell in cells]
        goal = 0.05 * accuracy[0] + 0.95 * float(self.right[CEILING, 0, 0].mean())
        for number in range(1, len(cells)):
            if accuracy[number] >= goal:
                share = (goal - accuracy[number - 1]) / (accuracy[number] - accuracy[number - 1])
                before, after = self.calls[cells[number - 1]], self.calls[cells[number]]
                return f"{before + share * (after - before):,.0f}"
        return f"more than {self.calls[cells[-1]]:,.0f}"

    def draw(self, panels: Sequence[Any]) -> None:
        """Accuracy against calls, a panel for each arm: thin lines are seeds, the thick one is their mean.

        A cross is one round of as many calls as all rounds together have.
        """
        ceiling = 100 * float(self.right[CEILING, 0, 0].mean())
        for arm, axes in zip(self.arms, panels, strict=True):
            axes.axhline(ceiling, color=GREY, linestyle=":", linewidth=1)
            cells = self._curve(arm)
            for seed in self.seeds:
                keys = [(seed, SFT, 0, 0), *((seed, arm, CALLS, rounds) for rounds in range(1, ROUNDS + 1))]
                points = [self.of_seed[key] for key in keys if key in self.of_seed]
                axes.plot(*zip(*points, strict=True), color=GREY, linewidth=0.8)
            means = [100 * self.right[cell].mean() for cell in cells]
            axes.plot([self.calls[cell] for cell in cells], means, color=BLUE, linewidth=2, marker="o", markersize=4)
            whole = (arm, CALLS * ROUNDS, 1)
            if whole in self.right:
                axes.plot([self.calls[whole]], [100 * self.right[whole].mean()], color=BLUE, marker="x", linestyle="")
            axes.set_title(arm, fontsize=9)
            axes.set_ylim(0, 103)
            axes.tick_params(labelsize=8)
        figure = panels[0].get_figure()
        figure.supxlabel("paid calls of the strong model in feedback and alignment", fontsize=9)
        figure.supylabel("accuracy of the pair, %", fontsize=9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["prepare", "tune", "test", "summarise"])
    parser.add_argument("--out", type=Path, default=Path("runs/alignment"))
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--limit", type=int, default=300, help="rows of the split that are answered")
    parser.add_argument("--figure", type=Path, help="summarise: PATH.png and PATH.svg are written")
    parser.add_argument("--rates-of", type=Path, help="test: another --out, whose tuning chose the learning rates")
    parser.add_argument("--lab", default=SHIPPED, help="another lab: a folder of cowest lab build")
    options = parser.parse_args()
    if options.part != "summarise":
        keep_to(options.lab, options.out)
    recipe = recipe_of(options.lab)
    with quietly():
        if options.part == "prepare":
            seeds = options.seeds or TEST_SEEDS
            measure(options.out, recipe, list(shared_points(seeds)), options.limit)
            for seed in seeds:
                with closing(Ledger(options.out / f"ledger-{seed}.sqlite")) as ledger:
                    Study(options.out, recipe, seed, options.limit, ledger).prepare()
        elif options.part == "tune":
            points = [point for point in tuning_points(options.seeds or TUNING_SEEDS) if point.arm in options.arms]
            measure(options.out, recipe, points, options.limit)
        elif options.part == "test":
            best = best_rates(options.rates_of or options.out)
            best = {arm: rate for arm, rate in best.items() if arm in options.arms}
            points = list(test_points(options.seeds or TEST_SEEDS, best))
            measure(options.out, recipe, points, options.limit)
        else:
            summarise(options.out, recipe, options.arms, options.figure)


if __name__ == "__main__":
    main()
