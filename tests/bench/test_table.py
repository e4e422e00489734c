"""A bench for people: numbers in words, what is escaped, and the case study."""

from typing import Any

from cowest.bench.table import cases_text, latex_table, markdown_table
from cowest.records import BenchResults, BenchRow, Claim, Contrast, Estimate, Preparation, ShareOfDrafts
from cowest.types import Draft, GradedDraft, GradedExample, Verdict


def row(name: str, value: float, **more: Any) -> BenchRow:
    metrics = {"accuracy": Estimate(value=value, ci95=(value - 0.1, value + 0.1))}
    return BenchRow(name=name, metrics=metrics, calls={"weak": 40, "strong": 60}, num_failed=1, cost_usd=0.5, **more)


BENCH = BenchResults(
    task="sums",
    metric="accuracy",
    num_examples=50,
    rows=[
        row("a_row & 100%", 0.5),
        row("taught", 0.5, preparation=Preparation(calls={"strong": 900, "judge": 334}, cost_usd=2.5)),
        BenchRow(name="lost", state="failed", reason="no\n log-probs"),
    ],
    sweeps={
        "pairs": [row("4 pairs", 0.6, pairs=4)],
        "formats": [],
        "calls": [row("rft, 1 round", 0.7, alignment="rft", round=1, paid_calls={"strong": 1200.5, "judge": 900.0})],
    },
    unhelpful_share={"before": ShareOfDrafts(value=0.8, ci95=(0.7, 0.9), num_examples=9)},
    claims=[
        Claim(
            name="some_claim",
            verdict="inconclusive",
            p_value=0.2,
            p_holm=0.4,
            contrasts=[Contrast(a="taught", b="lost", difference=-0.1, ci95=(-0.3, 0.1))],
        )
    ],
)


def cells(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_markdown() -> None:
    text = markdown_table(BENCH)
    assert cells(text, "a_row & 100%")[1:] == ["50.0% [40.0, 60.0]", "100", "$0.0100", "–", "0.0%", "1"]
    assert cells(text, "taught")[1:] == ["50.0% [40.0, 60.0]", "100", "$0.0100", "$2.50 (1,234 calls)", "0.0%", "1"]
    assert cells(text, "lost")[1:] == ["failed", "–", "–", "–", "–", "all"]
    assert cells(text, "4 pairs")[1:] == ["60.0% [50.0, 70.0]"]
    assert cells(text, "rft, 1 round")[1:] == ["strong 1,200, judge 900", "70.0% [60.0, 80.0]"]
    assert "formats" not in text  # it has no point
    assert cells(text, "before")[1:] == ["80.0% [70.0, 90.0]"]
    assert cells(text, "some_claim")[1:] == ["−10.0 [−30.0, 10.0]", "0.200", "0.400", "–", "inconclusive"]
    assert "failed: lost: no log-probs" in text


def test_latex() -> None:
    lines = latex_table(BENCH).splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrr}"
    assert r"a\_row \& 100\% & 50.0\% [40.0, 60.0] & 100 & \$0.0100 & -- & 0.0\% & 1 \\" in lines
    assert r"lost & failed & -- & -- & -- & -- & all \\" in lines


def graded(name: str, solo: int, *scores: int | None) -> GradedExample:
    drafts = tuple(
        GradedDraft(
            draft=Draft(text=f"draft {name}{index}", sample_index=index),
            refined=f"refined {name}{index}",
            verdict=Verdict(score=score) if score is not None else Verdict(unscored_reason="x"),
            gain=None if score is None else score - solo,
        )
        for index, score in enumerate(scores)
    )
    return GradedExample(
        example_id=name, query=f"query {name}", solo=f"solo {name}", solo_verdict=Verdict(score=solo), drafts=drafts
    )


def test_cases_are_the_largest_gains_and_harms_one_draft_an_example() -> None:
    rows = [
        graded("a", 3, 4, 10, None),
        graded("b", 5, 5, 6, 1),
        graded("c", 6, 6, 6),
        graded("d", 1, 4),
        graded("e", 1, 3),
        graded("f", 10, 9),
    ]
    text = cases_text(rows, {"a": ("right", "also")})
    gains, harms = text.split("## Largest harms")
    assert [line for line in gains.splitlines() if line.startswith("###")] == [
        "### a (gain +7)",
        "### d (gain +3)",
        "### e (gain +2)",
    ]
    assert [line for line in harms.splitlines() if line.startswith("###")] == ["### b (gain −4)", "### f (gain −1)"]
    assert "| solo a | draft a1 | refined a1 |\n| verdict: 3 |  | verdict: 10 |" in gains
    assert "Reference: right / also" in gains
    assert "None." in cases_text(rows[2:3], {})


def test_a_judge_without_references_says_better_or_worse_in_the_cases() -> None:
    row = graded("a", 1, 2)
    drafts = tuple(draft.model_copy(update={"verdict": Verdict(compared=1)}) for draft in row.drafts)
    text = cases_text([row.model_copy(update={"solo_verdict": Verdict(compared=0), "drafts": drafts})], {})
    assert "| as good as alone |  | better than alone |" in text


def test_what_a_model_wrote_stays_in_its_cell() -> None:
    evil = graded("a", 1, 9).model_copy(update={"solo": "one | two\n# three <script>"})
    assert "one \\| two<br># three &lt;script>" in cases_text([evil], {})
