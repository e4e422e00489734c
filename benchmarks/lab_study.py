"""The lab's study: what feedback on the collaboration teaches that feedback on the draft alone cannot, and to whom.

Arms, each aligned for one round from the same SFT model of a seed:
  collaborative_a   feedback on what strong model A makes of a draft (A reads figures)
  collaborative_b   feedback on what strong model B makes of a draft (B reads words)
  individual        the draft graded alone, by the same rubric and against the same z of A
  shuffled          the pairs of collaborative_a, chosen and rejected swapped by a coin

Three steps. `tune` aligns every arm at every learning rate and looks at the validation split only, with seeds of its
own. `test` aligns every arm at the rate that was best for it and opens the test split, with other seeds. `summarise`
prints tables; its intervals resample seeds and drugs together. Everything is kept in the folder, so a step that was
stopped goes on, and processes may share the seeds of a step between them:

    python benchmarks/lab_study.py tune --out runs/study
    python benchmarks/lab_study.py test --out runs/study --seeds 0 1 2 3 4
    python benchmarks/lab_study.py summarise --out runs/study
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import cowest
from cowest import answers, runs, statistics, synchronous
from cowest.concurrency import map_in_flight
from cowest.judge import load_judge
from cowest.lab.facts import stated_facts
from cowest.lab.judge import states_right_fact
from cowest.models import Metered, open_model
from cowest.progress import quietly
from cowest.prompts import Prompts
from cowest.records import PreferencePair, read_rows
from cowest.stages.queries import draw
from cowest.types import Example

RECIPE = cowest.load_recipe("cowest.lab:recipe.yaml")
STRONG = {name: f"local/cowest.lab:assets/strong-{name}" for name in ("a", "b")}
ARMS = ("collaborative_a", "collaborative_b", "individual", "shuffled")
RATES = (2.5e-5, 5e-5, 1e-4, 2e-4, 4e-4)
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

    def pairs(self, arm: str, seed: int) -> list[PreferencePair]:
        """The preference pairs of an arm from the drafts of the seed's SFT model."""
        if arm == "shuffled":
            return shuffled(self.pairs("collaborative_a", seed), seed)
        out = self.out / f"seed-{seed}/{arm}/feedback"
        if (out / "summary.json").is_file():
            return list(read_rows(out / "pairs.jsonl", PreferencePair, "preference pair"))
        return cowest.feedback(
            draw(self.task.train, RECIPE.feedback.queries, seed),
            weak=self._weak(self.sft(seed), seed),
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

    def align(self, arm: str, seed: int, rate: float) -> str:
        """One round of alignment of an arm at a learning rate."""
        trained = cowest.align(
            self.sft(seed),
            self.pairs(arm, seed),
            out=self.out / f"seed-{seed}/{arm}/rate-{rate:g}",
            config=RECIPE.align.model_copy(update={"learning_rate": rate}),
            lora=RECIPE.lora,
            seed=seed,
        )
        return trained.model

    def outcomes(self, name: str, weak: str, seed: int, split: str, partners: str) -> dict[str, Any]:
        """Right or wrong with each of the partners for every example of a split, and what the drafts are.

        Args:
            name: under which the outcomes are kept.
            partners: "a", "b" or "ab".
        """
        kept = self.out / f"seed-{seed}/outcomes/{split}-{name}.json"
        if not kept.is_file():
            runs.write_json(kept, self._outcomes(self._weak(weak, seed), split, partners))
        loaded: dict[str, Any] = runs.read_json(kept)
        return loaded

    def _outcomes(self, weak: Metered, split: str, partners: str) -> dict[str, Any]:
        pairs = {
            name: cowest.Collaboration(
                weak,
                self.strong[name],
                prompts=self.prompts,
                weak_sampling=RECIPE.evaluate.weak_sampling or RECIPE.weak.sampling,
                strong_sampling=RECIPE.evaluate.strong_sampling or RECIPE.strong.sampling,
            )
            for name in partners
        }

        async def work(example: Example) -> tuple[dict[str, float], str]:
            draft = (await pairs[partners[0]].draft(example.query)).text
            right = {}
            for name, pair in pairs.items():
                output = (await pair.refine(example.query, draft)).text
                right[name] = self.task.score(example, answers.parse(output))[self.task.metric]
            return right, kind_of_draft(example, draft)

        rows = synchronous.run(map_in_flight(work, self.task.split(split), RECIPE.strong.max_concurrency))
        synchronous.run(weak.close())
        kinds = Counter(kind for _, kind in rows if "rate" in kind)
        return {
            **{name: [right[name] for right, _ in rows] for name in partners},
            "drafts": {kind: round(count / kinds.total(), 4) for kind, count in sorted(kinds.items())},
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


def tune(study: Study, seeds: Sequence[int]) -> None:
    """Validation accuracy of every arm at every rate; touches no test row."""
    for seed in seeds:
        for arm in ARMS:
            for rate in RATES:
                weak = study.align(arm, seed, rate)
                found = study.outcomes(f"{arm}-{rate:g}", weak, seed, "validation", partner(arm))
                print(f"seed {seed} {arm:16} {rate:g}: {np.mean(found[partner(arm)]):.3f}", flush=True)


def tuned(study: Study) -> dict[str, dict[str, float]]:
    """Mean validation accuracy by arm and rate."""

    def mean(arm: str, rate: str) -> float:
        files = [study.out / f"seed-{seed}/outcomes/validation-{arm}-{rate}.json" for seed in TUNING_SEEDS]
        return float(np.mean([runs.read_json(file)[partner(arm)] for file in files]))

    return {arm: {f"{rate:g}": mean(arm, f"{rate:g}") for rate in RATES} for arm in ARMS}


def test(study: Study, seeds: Sequence[int]) -> None:
    """Every arm at its own best rate on the test split, with seeds that tuning never saw."""
    rates = {arm: max(scores, key=scores.__getitem__) for arm, scores in tuned(study).items()}
    for seed in seeds:
        weak = {"unaligned": study.sft(seed)} | {arm: study.align(arm, seed, float(rates[arm])) for arm in ARMS}
        for name, model in weak.items():
            partners = "a" if name in ("individual", "shuffled") else "ab"
            found = study.outcomes(name, model, seed, "test", partners)
            accuracy = {partner: round(float(np.mean(found[partner])), 3) for partner in partners}
            print(f"seed {seed} {name:16} {accuracy} {found['drafts']}", flush=True)


def summarise(study: Study, seeds: Sequence[int]) -> None:
    """Prints the tables of docs/lab.md."""
    print("| validation accuracy at | " + " | ".join(f"{rate:g}" for rate in RATES) + " |")
    print("|---|" + "---|" * len(RATES))
    for arm, scores in tuned(study).items():
        best = max(scores.values())
        print(f"| {arm} | " + " | ".join(f"**{v:.3f}**" if v == best else f"{v:.3f}" for v in scores.values()) + " |")
    found = {name: [_test_outcome(study, seed, name) for seed in seeds] for name in ("unaligned", *ARMS)}
    print("\n| test accuracy, mean of seeds | with A | with B | drafts: figures / words / wrong / no rate |")
    print("|---|---|---|---|")
    for name, outcomes in found.items():
        cells = [f"{np.mean(_right(outcomes, who)):.3f}" if who in outcomes[0] else "" for who in "ab"]
        kinds = ("rate in figures", "rate in words", "wrong rate", "no rate")
        drafts = " / ".join(f"{np.mean([o['drafts'].get(kind, 0.0) for o in outcomes]):.0%}" for kind in kinds)
        print(f"| {name} | {' | '.join(cells)} | {drafts} |")
    print("\n| difference on test | points | 95% interval, seeds and drugs |\n|---|---|---|")
    drugs = [example.fields["drug"] for example in study.task.test]
    for name, values in _differences(found).items():
        interval = statistics.two_level_interval(values, clusters=drugs)
        print(f"| {name} | {100 * interval.value:+.1f} | [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}] |")


def _test_outcome(study: Study, seed: int, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = runs.read_json(study.out / f"seed-{seed}/outcomes/test-{name}.json")
    return loaded


def _right(outcomes: Sequence[dict[str, Any]], with_strong: str) -> np.ndarray:
    return np.array([outcome[with_strong] for outcome in outcomes])


def _differences(found: dict[str, list[dict[str, Any]]]) -> dict[str, np.ndarray]:
    """What the questions are about, each of shape [seeds, queries]."""
    right = {
        (name, who): _right(outcomes, who) for name, outcomes in found.items() for who in "ab" if who in outcomes[0]
    }
    return {
        "collaborative − individual, with A": right["collaborative_a", "a"] - right["individual", "a"],
        "collaborative − unaligned, with A": right["collaborative_a", "a"] - right["unaligned", "a"],
        "collaborative − unaligned, with B": right["collaborative_b", "b"] - right["unaligned", "b"],
        "individual − unaligned, with A": right["individual", "a"] - right["unaligned", "a"],
        "shuffled − unaligned, with A": right["shuffled", "a"] - right["unaligned", "a"],
        "interaction: aligned to A or B, used with A or B": right["collaborative_a", "a"]
        - right["collaborative_a", "b"]
        - right["collaborative_b", "a"]
        + right["collaborative_b", "b"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["tune", "test", "summarise"])
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--seeds", type=int, nargs="+")
    options = parser.parse_args()
    part = {"tune": tune, "test": test, "summarise": summarise}[options.part]
    with quietly():
        part(Study(options.out), options.seeds or (TUNING_SEEDS if options.part == "tune" else TEST_SEEDS))


if __name__ == "__main__":
    main()
