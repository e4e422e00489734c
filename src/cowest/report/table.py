"""Tables for the terminal: in colour on a terminal, as plain Markdown anywhere else."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from cowest import words
from cowest.gating.section import gate_line
from cowest.pricing import total_usd
from cowest.records import AuditResults, EvaluationResults, FeedbackSummary, MethodResult, Preparation
from cowest.report.collect import RunState, StageState
from cowest.report.drawing import Drawing, Line, console_for, print_line
from cowest.report.feedback import diagnostic_sentences
from cowest.report.fitting import FittingTable, text_table
from cowest.report.headline import headline
from cowest.report.notes import banner
from cowest.report.power import measured_on, power_sentence
from cowest.report.unanswered import comparison_notes, share_text
from cowest.statistics import NOT_SHOWN
from cowest.types import Usage

_STYLES = {"better": "green", "worse": "red", NOT_SHOWN: ""}
_SPARE = ("tokens", "calls", "preparation", "p95", "p50")
"""Columns of the methods that are left out first where the terminal is narrow."""
_STATES = {"done": "✓ done", "started": "… started", "missing": "· not yet"}


def print_results(results: EvaluationResults, stream: TextIO | None = None) -> None:
    """Prints results.json: the headline, the methods and the comparisons."""
    draw_results(results).print(stream)


def draw_results(results: EvaluationResults) -> Drawing:
    """The headline, the methods, the comparisons, and what the reader should know of them."""
    parts: list[Line | FittingTable] = []
    if note := banner(results):
        parts.append(Line(note, "yellow"))
    parts += [Line(headline(results), "bold"), methods_table(results)]
    if results.comparisons:
        parts.append(comparisons_table(results))
    parts += [Line(note, "yellow") for note in comparison_notes(results)]
    if sentence := power_sentence(results):
        parts.append(Line(sentence))
    return Drawing(parts)


def print_run(run: RunState, stream: TextIO | None = None) -> None:
    """Prints the state of a run: stages, pairs, spend, the gate, failures and results."""
    console = console_for(stream)
    console.print(Text(f"Run {run.run}", style="bold"))
    console.print(stages_table(run.stages))
    for line in run.engines or ():
        print_line(console, f"Now running, {line}")
    if (made := run.explanations) is not None:
        counts = f"{made.num_kept:,} kept, {made.num_rejected:,} rejected, {made.num_failed:,} failed"
        rows = words.plural(made.num_examples, "row")
        console.print(Text(f"Explanations by the strong model for {rows}: {counts}."))
    summaries = {f"round {each.round}": each.feedback for each in run.rounds if each.feedback is not None}
    if summaries:
        console.print(feedback_table(summaries))
        for name, summary in summaries.items():
            for sentence in diagnostic_sentences(summary):
                print_line(console, f"{name}, {sentence}.")
    for each in run.rounds:
        for failure in each.failures:
            reason = f"round {each.round}, {failure.example_id}: {failure.reason}"
            console.print(Text(f"left out: {reason}", style="yellow"))
    _print_spend(run, console)
    if run.gate is not None:
        print_line(console, gate_line(run.gate))
    _print_audit(run.audit, console)
    for problem in run.unreadable:
        console.print(Text(f"cannot be read: {problem}", style="red"))
    if run.results is not None:
        print_results(run.results, stream)


def _print_spend(run: RunState, console: Console) -> None:
    if run.spend_usd is not None:
        spent = ", ".join(f"{role} {words.money(usd)}" for role, usd in run.spend_usd.items())
        total = words.money(total_usd(run.spend_usd.values()))
        console.print(Text(f"Spent: {total}" + (f" ({spent})" if spent else "")))
    if booked := run.possibly_billed_usd:
        most = ", ".join(f"{role} {words.money(usd)}" for role, usd in booked.items())
        console.print(Text(f"Possibly billed besides, at most: {words.money(sum(booked.values()))} ({most})"))
    if shared := run.shared_ledger:
        console.print(
            Text(
                f"The ledger {shared.path} is shared; it holds {words.plural(shared.num_replies, 'reply')} "
                f"for {words.money(shared.cost_usd)} in all."
            )
        )


def _print_audit(audit: AuditResults | None, console: Console) -> None:
    if audit is not None:
        found = words.plural(len(audit.findings), "finding")
        console.print(Text(f"Audit of {words.plural(len(audit.slices), 'slice')}: {found}."))
        for finding in audit.findings:
            print_line(console, f"• {finding.text}", "yellow")


def methods_table(results: EvaluationResults) -> FittingTable:
    """One row per method: metrics with intervals, calls, tokens, money, time, share without an answer and failures.

    If any method was prepared, a column has the one-off cost; calls, tokens and cost per query are without it.
    """
    headings = [*results.metric_names, "calls", "tokens", "cost/query", "p50", "p95", "no answer", "failed"]
    headings += ["preparation"] if _has_preparation(results) else []
    rows = [
        (name, *_method_cells(results, name, row), style)
        for name, row in results.rows.items()
        for style in ["bold" if name == results.pair else ""]
    ]
    return text_table(f"{measured_on(results)}, 95% intervals", ["method", *headings], rows, _SPARE)


def comparisons_table(results: EvaluationResults) -> FittingTable:
    """One row per comparison, in percentage points; a metric that all have in common is in the title."""
    metrics = [each.metric or results.headline_metric for each in results.comparisons]
    in_common = metrics[0] if len(set(metrics)) == 1 else None
    rows = [
        (
            f"{each.a} − {each.b}",
            *([] if in_common else [metric]),
            words.points(each.difference),
            words.interval(each.ci95),
            words.p_value(each.p_value),
            _share(each.help_rate),
            _share(each.harm_rate),
            each.verdict,
            _STYLES[each.verdict],
        )
        for each, metric in zip(results.comparisons, metrics, strict=True)
    ]
    columns = ["comparison", *([] if in_common else ["metric"]), "points", "95%", "p", "help", "harm", "verdict"]
    title = f"differences in points of {in_common}" if in_common else "differences in points"
    return text_table(title, columns, rows, spare=["harm", "help", "p"])


def feedback_table(summaries: dict[str, FeedbackSummary]) -> FittingTable:
    """One row per round: from drafts to pairs, and the cost."""
    rows = [
        (
            name,
            *map(words.count, (each.num_examples, each.num_drafts, each.num_positive, each.num_negative)),
            *map(words.count, (each.num_unscored, each.num_failed, each.num_pairs, sum(each.calls.values()))),
            words.money(each.cost_usd),
            words.duration(each.wall_s),
            "",
        )
        for name, each in summaries.items()
    ]
    columns = ["queries", "drafts", "positive", "negative", "unscored", "failed", "pairs", "calls", "cost", "time"]
    spare = ["time", "calls", "drafts", "queries", "unscored", "negative"]
    return text_table("feedback", ["round", *columns], rows, spare)


def stages_table(stages: Sequence[StageState]) -> FittingTable:
    """One row per stage: its state, and how long it took."""
    rows = [
        (
            each.stage if each.round is None else f"{each.stage}, round {each.round}",
            state_text(each, stages),
            words.duration(each.wall_s),
            "" if each.state == "done" else "dim",
        )
        for each in stages
    ]
    return text_table("", ["stage", "state", "time"], rows)


def state_text(stage: StageState, stages: Sequence[StageState]) -> str:
    """The state in words; once the evaluation is done, what is missing was left out, such as for want of pairs."""
    evaluated = any(each.stage == "evaluate" and each.state == "done" for each in stages)
    return "– left out" if stage.state == "missing" and evaluated else _STATES[stage.state]


def total_tokens(usage: dict[str, Usage]) -> int:
    """Prompt and completion tokens of all roles."""
    return sum(each.prompt_tokens + each.completion_tokens for each in usage.values())


def _method_cells(results: EvaluationResults, name: str, row: MethodResult) -> list[str]:
    metrics = [row.metrics.get(metric) for metric in results.metric_names]
    return [
        *("–" if each is None else words.estimate(each.value, each.ci95) for each in metrics),
        words.count(sum(row.calls.values())),
        words.count(total_tokens(row.usage)),
        words.money(results.cost_per_query(name)),
        words.duration(row.latency_s.p50),
        words.duration(row.latency_s.p95),
        share_text(row.num_unparsed, results.num_examples),
        words.count(row.num_failed),
        *([preparation_text(row.preparation) if row.preparation else "–"] if _has_preparation(results) else []),
    ]


def preparation_text(preparation: Preparation) -> str:
    """Money and calls of a preparation: "$3.14 (5,963 calls)"; the calls alone where they were free."""
    calls = words.plural(sum(preparation.calls.values()), "call")
    return calls if preparation.cost_usd == 0 else f"{words.money(preparation.cost_usd)} ({calls})"


def _has_preparation(results: EvaluationResults) -> bool:
    return any(row.preparation is not None for row in results.methods.values())


def _share(value: float | None) -> str:
    return "–" if value is None else words.percent(value)
