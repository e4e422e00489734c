"""Paid calls of feedback beside an exact oracle of the two rules of `skip_settled`, on worlds with saturated queries.

python benchmarks/savings.py

A world gives each query a score of z and K scores of drafts. The whole stage runs on it, ledger included; what it paid
is counted in the ledger. The oracle knows all scores beforehand and counts, for each query, the calls that the two
rules permit. Equal texts do not occur here, so the third rule (identical judge calls) saves nothing; the last table
shows it alone.
"""

import hashlib
import tempfile
from pathlib import Path

from cowest import progress
from cowest.ledger import Ledger
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest, Example

NUM_QUERIES = 500
SAMPLES = 5
SATURATED = (0.0, 0.25, 0.5, 0.7)
CALLS_PER_DRAFT = 3


def chance(*parts: object) -> float:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") / 2**64


class World:
    """Scores by query and draft; the texts of the models name the query and the draft they belong to."""

    def __init__(self, share_saturated: float, num_texts: int | None = None) -> None:
        num_saturated = round(share_saturated * NUM_QUERIES)
        self.solo = [10 if i < num_saturated else 1 + int(9 * chance("z", i)) for i in range(NUM_QUERIES)]
        self.refined = [[1 + int(10 * chance("y", i, k)) for k in range(SAMPLES)] for i in range(NUM_QUERIES)]
        self.num_texts = num_texts or SAMPLES

    def weak(self, request: ChatRequest) -> str:
        return f"draft {_number(request)} {request.sample_index % self.num_texts}"

    def strong(self, request: ChatRequest) -> str:
        text = request.messages[0].content
        if "<<<OUTPUT" in text:
            kind, query, *draft = text.split("<<<OUTPUT\n")[1].split("\n")[0].split()
            return str(self.solo[int(query)] if kind == "solo" else self.refined[int(query)][int(draft[0])])
        if "draft" in text:
            query, draft = text.split("draft ")[-1].split()[:2]
            return f"refined {query} {draft}"
        return f"solo {_number(request)}"

    def num_calls(self, out: Path, skip_settled: bool) -> tuple[int, bytes]:
        examples = [Example(id=str(i), query=f"Query no. {i} ?", references=("x",)) for i in range(NUM_QUERIES)]
        weak = ScriptedModel(self.weak, name="scripted/weak", identity="weak")
        strong = ScriptedModel(self.strong, name="scripted/strong", identity="strong")
        with progress.quietly():
            feedback(examples, weak=weak, strong=strong, out=out, samples=SAMPLES, skip_settled=skip_settled)
        with Ledger(out / "ledger.sqlite") as ledger:
            return ledger.totals()[0], (out / "pairs.jsonl").read_bytes()

    def oracle(self) -> int:
        """Two calls for z; none for drafts where z is 10, else up to the first at which both sets hold floor(K/2)."""
        return sum(
            2 + CALLS_PER_DRAFT * (0 if solo == 10 else _num_drafts(solo, scores))
            for solo, scores in zip(self.solo, self.refined, strict=True)
        )


def _num_drafts(solo: int, scores: list[int]) -> int:
    for count in range(SAMPLES + 1):
        num_positive = sum(score > solo for score in scores[:count])
        if min(num_positive, count - num_positive) >= SAMPLES // 2:
            return count
    return SAMPLES


def _number(request: ChatRequest) -> str:
    return request.messages[0].content.split("Query no. ")[1].split()[0]


def main() -> None:
    print("| saturated queries | calls without the rules | with | oracle | without / with | pairs equal |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for share in SATURATED:
            world = World(share)
            without, all_pairs = world.num_calls(Path(folder, f"{share} all"), skip_settled=False)
            paid, pairs = world.num_calls(Path(folder, f"{share} skipped"), skip_settled=True)
            assert paid == world.oracle(), f"{paid} calls were paid, the oracle needs {world.oracle()}"
            assert pairs == all_pairs, "the rules changed the pairs"
            print(f"| {share:.0%} | {without:,} | {paid:,} | {world.oracle():,} | {without / paid:.2f} | yes |")
        print("\n| different texts among K = 5 outputs | calls without any rule | identical judge calls made once |")
        print("|---|---|---|")
        for num_texts in (5, 3, 1):
            paid, _ = World(0.0, num_texts).num_calls(Path(folder, f"texts {num_texts}"), skip_settled=False)
            print(f"| {num_texts} | {NUM_QUERIES * (2 + SAMPLES * CALLS_PER_DRAFT):,} | {paid:,} |")


if __name__ == "__main__":
    main()
