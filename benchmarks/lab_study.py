"""The lab's study: what feedback on the collaboration teaches that feedback on the draft alone cannot, and to whom.

Arms, each aligned for one or two rounds from the same SFT model of a seed:
  collaborative_a   feedback on what strong model A makes of a draft (A reads figures)
  collaborative_b   feedback on what strong model B makes of a draft (B reads words)
  individual        the draft graded alone, by the same rubric and against the same z of A
  shuffled          the pairs of collaborative_a, chosen and rejected swapped by a coin

`tune` chooses each arm's learning rate on the validation split, with seeds of its own. `test` opens the test split
with those rates and other seeds, and resamples seeds and drugs together for its intervals.

    python benchmarks/lab_study.py tune --out runs/study
    python benchmarks/lab_study.py test --out runs/study
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import cowest
from cowest import answers, statistics
from cowest.in_flight import map_in_flight
from cowest.judge import load_judge
from cowest.lab.facts import stated_facts
from cowest.lab.judge import states_right_fact
from cowest.models import Metered, open_model
from cowest.progress import quietly
from cowest.prompts import Prompts
from cowest.stages.feedback import draw
from cowest.types import Example, PreferencePair

RECIPE = cowest.load_recipe("cowest.lab:recipe.yaml")
STRONG = {name: f"local/cowest.lab:assets/strong-{name}" for name in ("a", "b")}
ARMS = ("collaborative_a", "collaborative_b", "individual", "shuffled")
RATES = (5e-5, 1e-4, 2e-4, 4e-4, 8e-4)
TUNING_SEEDS = (100, 101)
TEST_SEEDS = (0, 1, 2, 3, 4)


class Study:
    """The models and data that all arms share.

    Args:
        out: where adapters, pairs and numbers are kept; a second call goes on from them.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.task = cowest.task(RECIPE.task.name, **RECIPE.task.options)
        self.prompts = Prompts(RECIPE.prompts)
        self.judge = load_judge("cowest.lab.judge:RubricJudge", self.task)
        self.strong = {
            name: open_model(RECIPE.strong.model_copy(update={"model": model}), role="strong")
            for name, model in STRONG.items()
        }

    def sft(self, seed: int) -> str:
        """The SFT model of a seed."""
        trained = cowest.sft(
            RECIPE.weak.model,
            self.task.train,
            out=self.out / f"seed-{seed}/sft",
            config=RECIPE.sft,
            lora=RECIPE.lora,
            prompts=self.prompts,
            seed=seed,
        )
        return trained.model

    def pairs(self, arm: str, seed: int, start: str, round_number: int) -> list[PreferencePair]:
        """The preference pairs of an arm from the drafts of `start`."""
        if arm == "shuffled":
            return shuffled(self.pairs("collaborative_a", seed, start, round_number), seed)
        out = self.out / f"seed-{seed}/{arm}/round-{round_number}-{Path(start).name}/feedback"
        if (out / "summary.json").is_file():
            lines = (out / "pairs.jsonl").read_text().splitlines()
            return [PreferencePair.model_validate_json(line) for line in lines]
        return cowest.feedback(
            draw(self.task.train, RECIPE.feedback.queries, seed, round_number),
            weak=self._weak(start, seed),
            strong=self.strong["b" if arm == "collaborative_b" else "a"],
            judge=self.judge,
            out=out,
            kind="individual" if arm == "individual" else "collaborative",
            samples=RECIPE.feedback.samples,
            prompts=self.prompts,
            weak_sampling=RECIPE.weak.sampling,
            strong_sampling=RECIPE.strong.sampling,
            seed=seed,
            num_in_flight=RECIPE.strong.max_concurrency,
        )

    def align(self, arm: str, seed: int, start: str, rate: float, round_number: int = 1) -> str:
        """One round of alignment of an arm at a learning rate."""
        trained = cowest.align(
            start,
            self.pairs(arm, seed, start, round_number),
            out=self.out / f"seed-{seed}/{arm}/round-{round_number}-rate-{rate:g}",
            config=RECIPE.align.model_copy(update={"learning_rate": rate}),
            lora=RECIPE.lora,
            seed=seed,
        )
        return trained.model

    def outcomes(self, weak: str, seed: int, split: str) -> dict[str, Any]:
        """Right or wrong with A and with B for every example of a split, and what the drafts are."""
        model = self._weak(weak, seed)
        pairs = {
            name: cowest.Collaboration(
                model,
                strong,
                prompts=self.prompts,
                weak_sampling=RECIPE.evaluate.weak_sampling or RECIPE.weak.sampling,
                strong_sampling=RECIPE.evaluate.strong_sampling or RECIPE.strong.sampling,
            )
            for name, strong in self.strong.items()
        }

        async def work(example: Example) -> tuple[dict[str, float], str]:
            draft = (await pairs["a"].draft(example.query)).text
            right = {}
            for name, pair in pairs.items():
                output = (await pair.refine(example.query, draft)).text
                right[name] = self.task.score(example, answers.parse(output))[self.task.metric]
            return right, kind_of_draft(example, draft)

        examples = self.task.split(split)
        rows = asyncio.run(map_in_flight(work, examples, RECIPE.strong.max_concurrency))
        kinds = Counter(kind for example, (_, kind) in zip(examples, rows, strict=True) if "rate" in kind)
        total = max(1, sum(kinds.values()))
        return {
            "a": [right["a"] for right, _ in rows],
            "b": [right["b"] for right, _ in rows],
            "drafts": {kind: count / total for kind, count in sorted(kinds.items())},
        }

    def _weak(self, model: str, seed: int) -> Metered:
        return open_model(RECIPE.weak.model_copy(update={"model": model}), role="weak", seed=seed)


def kind_of_draft(example: Example, draft: str) -> str:
    """What a draft states, for queries that need a rate: in which notation, wrong, or no rate at all."""
    if example.fields["kind"] == "class":
        return "class query"
    explanation = answers.parse(draft).explanation
    notations = stated_facts(explanation).notations
    if not notations:
        return "no rate"
    return f"rate in {notations[0]}" if states_right_fact(example, explanation) else "wrong rate"


def shuffled(pairs: Sequence[PreferencePair], seed: int) -> list[PreferencePair]:
    """The same pairs with chosen and rejected swapped by a coin."""
    coin = Random(f"shuffled {seed}")
    return [
        pair.model_copy(update={"chosen": pair.rejected, "rejected": pair.chosen}) if coin.random() < 0.5 else pair
        for pair in pairs
    ]


def partner(arm: str) -> str:
    """The strong model that an arm is aligned to."""
    return "b" if arm == "collaborative_b" else "a"


def tune(study: Study) -> dict[str, Any]:
    """Mean validation accuracy of every arm at every rate, and the best rate of each; touches no test row."""
    found: dict[str, dict[str, float]] = {arm: {} for arm in ARMS}
    second: dict[str, dict[str, float]] = {}
    for arm in ARMS:
        for rate in RATES:
            found[arm][f"{rate:g}"] = _mean_accuracy(study, arm, rate)
            print(f"round 1 {arm:16} {rate:g}: {found[arm][f'{rate:g}']:.3f}", flush=True)
    best = {arm: max(scores, key=scores.__getitem__) for arm, scores in found.items()}
    for arm in ("collaborative_a", "individual"):
        second[arm] = {}
        for rate in RATES:
            second[arm][f"{rate:g}"] = _mean_accuracy(study, arm, float(best[arm]), rate)
            print(f"round 2 {arm:16} {rate:g}: {second[arm][f'{rate:g}']:.3f}", flush=True)
    best_second = {arm: max(scores, key=scores.__getitem__) for arm, scores in second.items()}
    return {"round_1": found, "best_1": best, "round_2": second, "best_2": best_second}


def _mean_accuracy(study: Study, arm: str, rate: float, second_rate: float | None = None) -> float:
    means = []
    for seed in TUNING_SEEDS:
        weak = study.align(arm, seed, study.sft(seed), rate)
        if second_rate is not None:
            weak = study.align(arm, seed, weak, second_rate, round_number=2)
        means.append(np.mean(study.outcomes(weak, seed, "validation")[partner(arm)]))
    return float(np.mean(means))


def test(study: Study, rates: dict[str, Any]) -> dict[str, Any]:
    """Every arm at its own rate on the test split, over seeds that tuning never saw."""
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in TEST_SEEDS:
        start = study.sft(seed)
        weak = {arm: study.align(arm, seed, start, float(rates["best_1"][arm])) for arm in ARMS}
        weak |= {
            f"{arm}, round 2": study.align(arm, seed, weak[arm], float(rates["best_2"][arm]), round_number=2)
            for arm in ("collaborative_a", "individual")
        }
        for name, model in {"unaligned": start, **weak}.items():
            outcome = study.outcomes(model, seed, "test")
            found.setdefault(name, []).append(outcome)
            accuracy = {partner: round(float(np.mean(outcome[partner])), 3) for partner in ("a", "b")}
            print(f"seed {seed} {name:26} {accuracy} {outcome['drafts']}", flush=True)
    return summarise(found, [example.fields["drug"] for example in study.task.test])


def summarise(found: dict[str, list[dict[str, Any]]], drugs: list[str]) -> dict[str, Any]:
    """Means of every arm, and the differences that the questions are about, with intervals over seeds and drugs."""

    def right(name: str, with_strong: str) -> np.ndarray:
        return np.array([outcome[with_strong] for outcome in found[name]])

    def compare(a: np.ndarray, b: np.ndarray) -> list[float]:
        interval = statistics.two_level_interval(a - b, clusters=drugs)
        return [interval.value, interval.low, interval.high]

    differences = {
        "collaborative - individual (A)": compare(right("collaborative_a", "a"), right("individual", "a")),
        "collaborative - individual (A), round 2": compare(
            right("collaborative_a, round 2", "a"), right("individual, round 2", "a")
        ),
        "collaborative - unaligned (A)": compare(right("collaborative_a", "a"), right("unaligned", "a")),
        "collaborative - unaligned (B)": compare(right("collaborative_b", "b"), right("unaligned", "b")),
        "shuffled - unaligned (A)": compare(right("shuffled", "a"), right("unaligned", "a")),
        "interaction of adapter and strong model": compare(
            right("collaborative_a", "a") - right("collaborative_a", "b"),
            right("collaborative_b", "a") - right("collaborative_b", "b"),
        ),
    }
    means = {
        name: {
            "a": right(name, "a").mean(axis=1).round(4).tolist(),
            "b": right(name, "b").mean(axis=1).round(4).tolist(),
            "drafts": [outcome["drafts"] for outcome in outcomes],
        }
        for name, outcomes in found.items()
    }
    return {"accuracy_by_seed": means, "differences": differences}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["tune", "test"])
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    options = parser.parse_args()
    study = Study(options.out)
    with quietly():
        if options.part == "tune":
            result = tune(study)
        else:
            result = test(study, json.loads((options.out / "tune.json").read_text()))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.part}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result.get("differences", result.get("best_1")), indent=1))


if __name__ == "__main__":
    main()
