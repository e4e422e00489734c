"""A bench in readable form: on the terminal, in Markdown, in LaTeX, and its case study."""

from collections.abc import Mapping, Sequence
from typing import TextIO

from cowest import words
from cowest.records import BenchResults, BenchRow, Claim
from cowest.report.bench import cost_per_query
from cowest.report.cases import MAX_CASES
from cowest.report.drawing import Drawing, Line
from cowest.report.fitting import FittingTable, text_table
from cowest.report.notes import LAB_NOTE, LAB_TASK
from cowest.report.table import preparation_text
from cowest.report.unanswered import comparison_notes, share_text
from cowest.types import GradedDraft, GradedExample, Verdict

TableParts = tuple[str, list[str], Sequence[tuple[str, ...]]]
"""Title, columns and rows."""

_STYLES = {"reproduced": "green", "not reproduced": "red", "inconclusive": ""}
_SPARE = ("calls", "preparation", "p", "note")
"""Columns that are left out first where the terminal is narrow."""
_ESCAPES = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", words.MINUS: "$-$", "–": "--"}
    | {character: f"\\{character}" for character in "&%$#_{}"}
)

_COMPARED = {1: "better than alone", 0: "as good as alone", -1: "worse than alone"}
"""The verdicts of a judge without references."""


def print_bench(bench: BenchResults, stream: TextIO | None = None) -> None:
    """Prints the rows, the sweeps and the claims."""
    draw_bench(bench).print(stream)


def draw_bench(bench: BenchResults) -> Drawing:
    """The rows, the sweeps and the claims, and what the reader should know of them."""
    parts: list[Line | FittingTable] = [Line(LAB_NOTE, "yellow")] if bench.task == LAB_TASK else []
    for title, columns, rows in _tables(bench):
        styled = [(*cells, _STYLES.get(cells[-1], "")) for cells in rows]
        parts.append(text_table(title, columns, styled, spare=_SPARE))
    contrasts = [each.as_comparison() for claim in bench.claims for each in claim.contrasts]
    notes = comparison_notes(bench.as_results().model_copy(update={"comparisons": contrasts}))
    parts += [Line(text, "yellow") for text in (*notes, *_failures(bench))]
    return Drawing(parts)


def markdown_table(bench: BenchResults) -> str:
    """The printed tables as Markdown."""
    return f"{draw_bench(bench).text}\n"


def latex_table(bench: BenchResults) -> str:
    """The rows as a LaTeX table, with the package booktabs."""
    _, columns, rows = next(iter(_tables(bench)))
    lines = [
        f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
        "\\toprule",
        _latex_row(columns),
        "\\midrule",
        *map(_latex_row, rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def cases_text(graded: Sequence[GradedExample], references: Mapping[str, Sequence[str]]) -> str:
    """The case study: where drafts of the aligned model helped the strong one most, and where they harmed most.

    Args:
        graded: drafts of the aligned model, refined and judged.
        references: by example id.
    """
    scored = [(example, draft) for example in graded for draft in example.drafts if draft.gain is not None]
    best = _first_of_each_example(sorted(scored, key=lambda pair: -(pair[1].gain or 0)))
    worst = _first_of_each_example(sorted(scored, key=lambda pair: pair[1].gain or 0))
    gains = [pair for pair in best if (pair[1].gain or 0) > 0][:MAX_CASES]
    harms = [pair for pair in worst if (pair[1].gain or 0) < 0][:MAX_CASES]
    parts = [
        "# Cases",
        "Drafts of the aligned weak model, graded as in collaborative feedback, on evaluation examples.",
    ]
    for title, pairs in (("Largest gains", gains), ("Largest harms", harms)):
        parts.append(f"## {title}")
        parts += [_case_section(example, draft, references.get(example.example_id, ())) for example, draft in pairs]
        if not pairs:
            parts.append("None.")
    return "\n\n".join(parts) + "\n"


def _first_of_each_example(
    pairs: Sequence[tuple[GradedExample, GradedDraft]],
) -> list[tuple[GradedExample, GradedDraft]]:
    """The first pair of each example."""
    first: dict[str, tuple[GradedExample, GradedDraft]] = {}
    for example, draft in pairs:
        first.setdefault(example.example_id, (example, draft))
    return list(first.values())


def _case_section(example: GradedExample, draft: GradedDraft, references: Sequence[str]) -> str:
    columns = [
        ("strong model alone", example.solo, _verdict_text(example.solo_verdict)),
        ("draft of the weak model", draft.draft.text, ""),
        ("strong model with the draft", draft.refined or "", _verdict_text(draft.verdict)),
    ]
    rows = [
        [name for name, _, _ in columns],
        ["---"] * 3,
        [text for _, text, _ in columns],
        [score for _, _, score in columns],
    ]
    table = "\n".join("| " + " | ".join(map(_markdown_cell, row)) + " |" for row in rows)
    gain = words.MINUS * ((draft.gain or 0) < 0) + "+" * ((draft.gain or 0) > 0) + str(abs(draft.gain or 0))
    title = f"### {_markdown_cell(example.example_id)} (gain {gain})"
    reference = f"Reference: {_markdown_cell(' / '.join(references))}"
    return "\n\n".join([title, f"Query: {_markdown_cell(example.query)}", reference, table])


def _verdict_text(verdict: Verdict) -> str:
    if verdict.compared is not None:
        return _COMPARED[verdict.compared]
    return f"verdict: {verdict.score}" if verdict.score is not None else f"unscored: {verdict.unscored_reason}"


def _markdown_cell(text: str) -> str:
    """Escapes untrusted text for a Markdown cell, so that none of it is read as table or HTML."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return "<br>".join(escaped.splitlines())


def _tables(bench: BenchResults) -> list[TableParts]:
    """Title, columns and rows of each table."""
    metrics = list(dict.fromkeys(name for row in bench.rows for name in row.metrics))
    over = f" over examples and {len(bench.seeds)} training seeds" if len(bench.seeds) > 1 else ""
    title = f"{bench.task}, {bench.num_examples:,} examples, 95% intervals{over}" if bench.num_examples else "rows"
    seeds = ["seeds"] if over else []
    columns = ["row", *metrics, *seeds, "calls", "cost/query", "preparation", "no answer", "failed"]
    tables: list[TableParts] = [(title, columns, [_row_cells(bench, row, metrics) for row in bench.rows])]
    for name, points in bench.sweeps.items():
        if not points:
            continue
        shown = [
            (
                point.name,
                *_calls_cells(name, point),
                _metric_cell(point, bench.metric or ""),
                *_seeds_cells(bench, point),
            )
            for point in points
        ]
        columns = ["point", *(["paid calls"] if name == "calls" else []), "value", *seeds]
        tables.append((f"{name}: {bench.metric}", columns, shown))
    if bench.unhelpful_share:
        shares = [(name, words.estimate(share.value, share.ci95)) for name, share in bench.unhelpful_share.items()]
        tables.append(("drafts that do not beat the strong model alone", ["alignment", "share"], shares))
    claims = [
        (
            claim.name,
            _differences_cell(claim),
            words.p_value(claim.p_value),
            words.p_value(claim.p_holm),
            claim.note or "–",
            claim.verdict,
        )
        for claim in bench.claims
    ]
    tables.append(("the paper's claims on this task", ["claim", "points", "p", "p (Holm)", "note", "verdict"], claims))
    return tables


def _row_cells(bench: BenchResults, row: BenchRow, metrics: Sequence[str]) -> tuple[str, ...]:
    if row.state == "failed":
        return (row.name, *["failed"] * len(metrics), *_seeds_cells(bench, row), "–", "–", "–", "–", "all")
    return (
        row.name,
        *(_metric_cell(row, metric) for metric in metrics),
        *_seeds_cells(bench, row),
        words.count(sum(row.calls.values())),
        cost_per_query(bench, row),
        preparation_text(row.preparation) if row.preparation else "–",
        share_text(row.num_unparsed, bench.num_examples),
        words.count(row.num_failed),
    )


def _calls_cells(sweep: str, point: BenchRow) -> list[str]:
    """Paid calls by role, in the sweep over them."""
    if sweep != "calls":
        return []
    return [", ".join(f"{role} {words.count(round(n))}" for role, n in (point.paid_calls or {}).items()) or "–"]


def _seeds_cells(bench: BenchResults, row: BenchRow) -> list[str]:
    """The number of seeds, in a bench with several; a dash where training changes nothing."""
    if len(bench.seeds) < 2:
        return []
    return ["–" if row.by_seed is None else words.count(row.num_seeds)]


def _metric_cell(row: BenchRow, metric: str) -> str:
    if row.state == "failed":
        return "failed"
    estimate = row.metrics.get(metric)
    return "–" if estimate is None else words.estimate(estimate.value, estimate.ci95)


def _differences_cell(claim: Claim) -> str:
    """Each difference with its interval, in points; with its metric where there are several."""
    several = len({each.metric for each in claim.contrasts}) > 1
    shown = [
        f"{words.points(each.difference)} {words.interval(each.ci95)}" + f" {each.metric}" * several
        for each in claim.contrasts
    ]
    return "; ".join(shown) or "–"


def _failures(bench: BenchResults) -> list[str]:
    failed = [each for each in (*bench.rows, *bench.points()) if each.state == "failed"]
    reasons = {each.name: " ".join((each.reason or "").split()) for each in failed}
    lines = [f"failed: {name}: {reason}" for name, reason in reasons.items()]
    for each in (*bench.rows, *bench.points()):
        for seed, reason in (each.failed_seeds or {}).items():
            lines.append(
                f"failed with seed {seed}, which does not count: {each.name}: {' '.join((reason or '').split())}"
            )
    return list(dict.fromkeys(lines))


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cell.translate(_ESCAPES) for cell in cells) + r" \\"
