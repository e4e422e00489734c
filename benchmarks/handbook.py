"""What the drafts of a handbook run hold, and how often each row of its results is right, by kind of question.

    python benchmarks/handbook.py drafts recipes/pretrained/handbook.yaml --questions data/handbook/facts.jsonl
    python benchmarks/handbook.py tables runs/pretrained/handbook [runs/pretrained/strategyqa ...]
    python benchmarks/handbook.py kinds runs/pretrained/handbook
    python benchmarks/handbook.py compare runs/pretrained/handbook:collaborate runs/pretrained/handbook-weak:weak_only

`drafts` has the weak model as it is now (after SFT, or after the last finished round) draft each question once, sampled
as the recipe says, and counts the drafts that state every fact that is needed rightly, state one wrongly, only say a
result, or say nothing of use. `tables` prints the rows and differences of docs/pretrained.md from a run's results.json,
`kinds` the share of right answers by kind of question from the predictions, `compare` the paired difference between
rows of two runs.
"""

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from cowest import statistics, synchronous
from cowest.concurrency import map_in_flight
from cowest.handbook.judge import states_needed_facts
from cowest.handbook.task import Handbook
from cowest.pipeline import Pipeline
from cowest.recipe import load_recipe
from cowest.records import EvaluationResults
from cowest.types import Example

_STATED = re.compile(r"\b(?:costs?|weighs?|has|line|less|Delivery)\b")
_VERDICT = re.compile(r"I would say|As far as I know|From memory|Answer:")


def sort_of(example: Example, draft: str) -> str:
    """Which of four sorts a draft is."""
    if states_needed_facts(example, draft):
        return "right facts"
    if _VERDICT.search(draft):
        return "result only"
    return "a wrong or missing fact" if _STATED.search(draft) else "nothing of use"


def drafts(recipe: str, overrides: Sequence[str], questions: str, limit: int | None) -> None:
    """Prints the shares of the sorts, by kind of question."""
    examples = list(Handbook().read(questions))[:limit]
    with Pipeline(load_recipe(recipe, overrides)) as pipeline:
        pair = pipeline.collaboration(kept=False)

        async def sort(example: Example) -> tuple[str, str, str]:
            draft = (await pair.draft(example.query)).text
            return example.fields["kind"], sort_of(example, draft), draft

        sorted_drafts = synchronous.run(map_in_flight(sort, examples, 64))
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, sort_, _ in sorted_drafts:
        by_kind[kind][sort_] += 1
        by_kind["all"][sort_] += 1
    names = ("right facts", "a wrong or missing fact", "result only", "nothing of use")
    print("| kind | drafts |", " | ".join(names), "|")
    print("|---" * (len(names) + 2) + "|")
    for kind, counts in by_kind.items():
        total = counts.total()
        print(f"| {kind} | {total} |", " | ".join(f"{counts[name] / total:.0%}" for name in names), "|")
    for example, (_, sort_, draft) in list(zip(examples, sorted_drafts, strict=True))[:8]:
        print(f"- {example.query} [{sort_}] {draft!r}")


def tables(run: Path) -> None:
    """Prints a run's rows with intervals, and the paired differences between them, in points."""
    results = EvaluationResults.read(run / "evaluate/results.json")
    groups = f" in {results.num_groups} groups" if results.num_groups else ""
    print(f"{results.num_examples} rows{groups}, {results.metric}\n")
    print("| row | right [95%] | no answer | calls weak / strong | tokens in + out, strong |")
    print("|---|---|---|---|---|")
    for name, row in results.methods.items():
        score = row.metrics[results.metric]
        low, high = score.ci95 or (float("nan"), float("nan"))
        used = row.usage.get("strong")
        tokens = "" if used is None else f"{used.prompt_tokens:,} + {used.completion_tokens:,}"
        calls = f"{row.calls.get('weak', 0):,} / {row.calls.get('strong', 0):,}"
        share = f"{100 * score.value:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"
        print(f"| `{name}` | {share} | {row.unparsed_share:.1%} | {calls} | {tokens} |")
    print("\n| difference | points [95%] |\n|---|---|")
    for each in results.comparisons:
        if each.metric == results.metric and each.ci95 is not None:
            low, high = each.ci95
            points = f"{100 * each.difference:+.1f} [{100 * low:.1f}, {100 * high:.1f}]"
            print(f"| `{each.a}` - `{each.b}` | {points} |")


def kinds(run: Path, evaluation: str) -> None:
    """Prints the share of right answers of each row, by kind of question."""
    shares: dict[str, dict[str, list[float]]] = {}
    for file in sorted((run / evaluation / "predictions").glob("*.jsonl")):
        rows: Iterable[dict[str, object]] = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        by_kind: dict[str, list[float]] = defaultdict(list)
        for row in rows:
            scores = row["scores"]
            assert isinstance(scores, dict)
            by_kind[str(row["id"]).split("-")[1]].append(scores["accuracy"])
        shares[file.stem] = by_kind
    found = sorted({kind for by_kind in shares.values() for kind in by_kind})
    print("| row |", " | ".join(found), "| all |")
    print("|---" * (len(found) + 2) + "|")
    for name, by_kind in shares.items():
        every = [score for scores in by_kind.values() for score in scores]
        cells = [f"{sum(by_kind[kind]) / max(1, len(by_kind[kind])):.0%}" for kind in found]
        print(f"| {name} |", " | ".join(cells), f"| {sum(every) / max(1, len(every)):.1%} of {len(every)} |")


def compare(first: str, second: str) -> None:
    """Prints the difference between two rows, each RUN:ROW, of the same examples, in points."""
    found = []
    for name in (first, second):
        run, _, row = name.rpartition(":")
        lines = (Path(run) / f"evaluate/predictions/{row}.jsonl").read_text(encoding="utf-8").splitlines()
        found.append({each["id"]: (each["scores"]["accuracy"], each["group"]) for each in map(json.loads, lines)})
    ours, theirs = found
    if ours.keys() != theirs.keys():
        raise SystemExit(f"{first} has {len(ours)} examples and {second} {len(theirs)}, and they are not the same.")
    between = statistics.paired_difference(
        [score for score, _ in ours.values()],
        [theirs[example][0] for example in ours],
        [group for _, group in ours.values()],
    )
    points = [100 * each for each in (between.difference, between.low, between.high)]
    print(f"{first} - {second}: {points[0]:+.1f} [{points[1]:.1f}, {points[2]:.1f}]")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("drafts")
    step.add_argument("recipe")
    step.add_argument("overrides", nargs="*")
    step.add_argument("--questions", required=True)
    step.add_argument("--limit", type=int)
    step = steps.add_parser("tables")
    step.add_argument("runs", type=Path, nargs="+")
    step = steps.add_parser("kinds")
    step.add_argument("run", type=Path)
    step.add_argument("--evaluation", default="evaluate")
    step = steps.add_parser("compare")
    step.add_argument("rows", nargs=2, metavar="RUN:ROW")
    given = parser.parse_args()
    if given.step == "drafts":
        drafts(given.recipe, given.overrides, given.questions, given.limit)
    elif given.step == "tables":
        for run in given.runs:
            tables(run)
    elif given.step == "compare":
        compare(*given.rows)
    else:
        kinds(given.run, given.evaluation)


if __name__ == "__main__":
    main()
