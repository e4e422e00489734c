"""The page of a run: RUN/report.html, one self-contained file without scripts or network requests."""

import base64
import hashlib
import importlib.metadata
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from jinja2 import Template
from markupsafe import Markup

from cowest import plots, runs, words
from cowest.errors import CowestError
from cowest.gating.section import gate_section
from cowest.method_names import label
from cowest.records import BenchResults, EvaluationResults, FeedbackSummary, StageInputs
from cowest.records.spend import with_alignment
from cowest.report import bench as benches
from cowest.report import evaluation, series
from cowest.report.audit import BIN_HEADINGS, SWAP_HEADINGS, audit_section
from cowest.report.cases import Case, find_cases
from cowest.report.collect import RunState, collect
from cowest.report.feedback import calibration_plot, diagnostic_sentences, null_control_chart
from cowest.report.headline import headline, verdict
from cowest.report.notes import LAB_LIMITS, LAB_TASK, banner
from cowest.report.power import measured_on, power_sentence
from cowest.report.steps import step
from cowest.report.table import preparation_text
from cowest.report.templates import environment
from cowest.report.tones import tone
from cowest.report.unanswered import is_high, share_text, unequal_shares
from cowest.report.warnings import warnings

Found = TypeVar("Found")

_FOLDER = Path(__file__).parent
_BROKEN = (CowestError, OSError, ValueError, TypeError, AttributeError, KeyError)
"""Errors that reading a broken file of a run may raise."""


def write_page(run_folder: str | Path) -> Path:
    """Writes the page of a run from what its folder holds so far.

    Returns:
        The page's path, RUN/report.html.

    Raises:
        InputError: there is no such folder.
    """
    path = runs.RunFolder(run_folder).page
    runs.write_text(path, render(run_folder))
    return path


def render(run_folder: str | Path) -> str:
    """The page of a run as HTML; all text of models, data sets and recipes is escaped.

    Raises:
        InputError: there is no such folder.
    """
    state = collect(run_folder)
    folder, results, unreadable = runs.RunFolder(run_folder), state.results, list(state.unreadable)
    bench = _bench(folder, unreadable)
    # A bench measures the recipe's methods in separate cells, so a run may have a bench and no evaluation of its own.
    measured = results or (bench.as_results() if bench else None)
    rounds = {each.round: each.feedback for each in state.rounds if each.feedback is not None}
    online = _money_of_alignment(state)
    return _template().render(
        **_style(),
        **_evaluation_charts(results),
        run=state.run,
        title=Path(state.run).resolve().name,
        banner=banner(measured) if measured else None,
        limits=LAB_LIMITS if measured and measured.task == LAB_TASK else (),
        headline=words.unbroken(headline(measured)) if measured and measured.methods else _unfinished(rounds),
        verdict=tone(verdict(measured)) if measured else "unclear",
        measured=measured if measured and measured.methods else None,
        results=results,
        bench=bench,
        charts=benches.bench_charts(bench) if bench else None,
        steps=[step(stage, state) for stage in state.stages],
        rounds=[each for each in state.rounds if each.feedback is not None],
        roles=evaluation.use_by_role(
            [with_alignment(each.feedback, each.align) for each in state.rounds if each.feedback is not None], results
        ),
        is_online=bool(online),
        spend=state.spend_usd,
        money_by_stage=_money_of_explanations(state) | online | evaluation.money_by_stage(rounds, results),
        cases=_cases(folder, results.pair if results else None, unreadable),
        warnings=warnings(state, measured),
        gains=_read_each(_graded_files(folder, state), series.gains, unreadable),
        curves=_read_each(_metrics_files(folder, state), series.curves, unreadable),
        gate=gate_section(state.gate) if state.gate else None,
        audit=audit_section(state.audit) if state.audit else None,
        prompt_versions=_prompt_versions(folder),
        recipe=state.recipe,
        versions=_versions(state),
        unreadable=unreadable,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _template() -> Template:
    """The page's template, with the functions that it calls."""
    templates = environment(_FOLDER, autoescape=True)
    functions = {
        "bin_headings": (*BIN_HEADINGS, "verdict"),
        "calibration_plot": calibration_plot,
        "claim_tones": benches.CLAIM_TONES,
        "cost_per_query": benches.cost_per_query,
        "diagnostic_sentences": diagnostic_sentences,
        "is_high": is_high,
        "label": label,
        "measured_on": measured_on,
        "null_control_chart": null_control_chart,
        "plots": plots,
        "power_sentence": power_sentence,
        "preparation_text": preparation_text,
        "share_text": share_text,
        "swap_headings": (*SWAP_HEADINGS, "verdict"),
        "tone": tone,
        "unequal_shares": unequal_shares,
        "words": words,
    }
    return templates.get_template("page.html.j2", globals=functions)


def _style() -> dict[str, str]:
    """The style sheet, and its hash for the content security policy."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    return {"style": Markup(style), "style_hash": base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}


def _evaluation_charts(results: EvaluationResults | None) -> dict[str, object]:
    """The charts of an evaluation by their names in the template; empty ones without an evaluation."""
    if results is None:
        return {"by_round": None, "intervals": {}, "differences": {}, "tradeoff": [], "tradeoff_plot": ""}
    costs = evaluation.cost_points(results)
    return {
        "by_round": evaluation.by_round(results),
        "intervals": evaluation.method_dots(results),
        "differences": evaluation.comparison_dots(results),
        "tradeoff": costs,
        "tradeoff_plot": plots.tradeoff([point[1:] for point in costs]) if costs else "",
    }


def _money_of_explanations(state: RunState) -> dict[str, float | None]:
    return {} if state.explanations is None else {"Explanations for SFT": state.explanations.cost_usd}


def _money_of_alignment(state: RunState) -> dict[str, float | None]:
    """USD of each alignment that drafted while it trained."""
    records = {each.round: each.align for each in state.rounds if each.align is not None and each.align.calls}
    return {f"Alignment, round {number}": record.cost_usd for number, record in records.items()}


def _unfinished(rounds: Mapping[int, FeedbackSummary]) -> str:
    """The headline of a run that was not evaluated."""
    if not rounds:
        return "This run has neither feedback nor an evaluation yet."
    number, feedback = max(rounds.items())
    pairs, queries = words.plural(feedback.num_pairs, "pair"), words.plural(feedback.num_examples, "query")
    return f"Not evaluated yet. Feedback of round {number} made {pairs} from {queries}."


def _bench(folder: runs.RunFolder, unreadable: list[str]) -> BenchResults | None:
    path = folder.path / "bench" / "bench.json"
    return _read_each({"": path}, BenchResults.read, unreadable).get("") if path.is_file() else None


def _cases(folder: runs.RunFolder, pair: str | None, unreadable: list[str]) -> dict[str, list[Case]]:
    predictions = {"": folder.evaluate / "predictions"}
    cases = _read_each(predictions, lambda path: find_cases(path, pair), unreadable)
    return cases.get("", {"help": [], "harm": []})


def _graded_files(folder: runs.RunFolder, state: RunState) -> dict[str, Path]:
    return {str(each.round): folder.feedback(each.round) / "graded.jsonl" for each in state.rounds}


def _metrics_files(folder: runs.RunFolder, state: RunState) -> dict[str, Path]:
    trainings = {"SFT": folder.sft} | {
        f"Alignment, round {each.round}": folder.align(each.round) for each in state.rounds
    }
    return {name: path / "metrics.jsonl" for name, path in trainings.items()}


def _read_each(files: Mapping[str, Path], read: Callable[[Path], Found], unreadable: list[str]) -> dict[str, Found]:
    """Reads each file and returns the non-empty results by name; adds unreadable files to `unreadable`."""
    values = {}
    for name, path in files.items():
        try:
            values[name] = read(path)
        except _BROKEN as error:
            unreadable.append(f"{path}: {str(error).splitlines()[0]}")
    return {name: value for name, value in values.items() if value}


def _prompt_versions(folder: runs.RunFolder) -> dict[str, str]:
    """The prompt versions of the last stage that records any."""
    for stage in (folder.evaluate, folder.feedback(1), folder.sft):
        try:
            if versions := StageInputs.read(stage / "inputs.json").prompt_files:
                return versions
        except CowestError:
            continue
    return {}


def _versions(state: RunState) -> dict[str, str]:
    try:
        own = importlib.metadata.version("cowest")
    except importlib.metadata.PackageNotFoundError:
        own = "not installed"
    return {"cowest": own, "python": platform.python_version(), **(state.sft.versions if state.sft else {})}
