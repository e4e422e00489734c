"""The page of a run: RUN/report.html, one self-contained file without scripts that asks nothing of any network."""

import base64
import hashlib
import importlib.metadata
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cowest import plots, runs, words
from cowest.errors import CowestError
from cowest.gating.section import gate_section
from cowest.report import bench as benches
from cowest.report import series
from cowest.report.cases import Case, find_cases
from cowest.report.collect import collect
from cowest.report.feedback import calibration_plot, harvest_sentences, null_control_chart
from cowest.report.headline import headline, verdict
from cowest.report.records import LAB_LIMITS, LAB_TASK, Feedback, Results, label
from cowest.report.steps import step
from cowest.report.warnings import warnings
from cowest.types import Usage

_FOLDER = Path(__file__).parent


def write_page(run_folder: str | Path) -> Path:
    """Writes the page of a run from whatever its folder holds so far.

    Returns:
        The page's path, RUN/report.html.

    Raises:
        InputError: there is no such folder.
    """
    path = runs.RunFolder(run_folder).page
    runs.write_text(path, render(run_folder))
    return path


def render(run_folder: str | Path) -> str:
    """The page of a run as HTML. Whatever a model, a data set or a recipe wrote is escaped.

    Raises:
        InputError: there is no such folder.
    """
    collected = collect(run_folder)
    run = runs.RunFolder(run_folder)
    results = None if collected["results"] is None else Results.model_validate(collected["results"])
    unreadable = list(collected["unreadable"])
    bench = _bench(run, unreadable)
    # A bench measures the recipe's own methods in cells of their own, so a run may have a bench and no evaluation.
    measured = results or (bench.as_results() if bench else None)
    tradeoff = _tradeoff(results) if results else []
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    loader = FileSystemLoader(_FOLDER)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        title=Path(collected["run"]).resolve().name,
        style=Markup(style),
        style_hash=_hash(style),
        banner=measured.banner if measured else None,
        limits=LAB_LIMITS if measured and measured.task == LAB_TASK else (),
        headline=headline(measured) if measured and measured.methods else _so_far(collected),
        verdict=verdict(measured) if measured else "unclear",
        measured=measured if measured and measured.methods else None,
        results=results,
        by_round=_by_round(results) if results else None,
        bench=bench,
        charts=benches.view(bench) if bench else None,
        intervals=_intervals(results) if results else {},
        differences=_differences(results) if results else {},
        steps=[step(stage, collected) for stage in collected["stages"]],
        rounds=_rounds(collected),
        harvest_sentences=harvest_sentences,
        null_control_chart=null_control_chart,
        calibration_plot=calibration_plot,
        roles=_roles(collected, results),
        spend=collected["spend_usd"],
        money_by_stage=_money_by_stage(collected, results),
        cases=_cases(run, results, unreadable),
        warnings=warnings(collected, measured),
        gains=_series(run, collected, unreadable, "gains"),
        curves=_series(run, collected, unreadable, "curves"),
        tradeoff=tradeoff,
        tradeoff_plot=plots.tradeoff([each[1:] for each in tradeoff]) if tradeoff else "",
        gate=gate_section(collected["gate"]) if collected["gate"] else None,
        prompt_versions=_prompt_versions(run),
        recipe=collected["recipe"],
        versions=_versions(collected),
        unreadable=unreadable,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        label=label,
        words=words,
        plots=plots,
    )


def _hash(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _so_far(collected: dict[str, Any]) -> str:
    done = [each for each in collected["rounds"] if each["feedback"] is not None]
    if not done:
        return "This run has neither feedback nor an evaluation yet."
    feedback = Feedback.model_validate(done[-1]["feedback"])
    pairs, queries = words.plural(feedback.num_pairs, "pair"), words.plural(feedback.num_examples, "query")
    return f"Not evaluated yet. Feedback of round {done[-1]['round']} made {pairs} from {queries}."


def _bench(run: runs.RunFolder, unreadable: list[str]) -> benches.Bench | None:
    path = run.path / "bench" / "bench.json"
    try:
        return benches.read(path)
    except (OSError, ValueError) as error:
        unreadable.append(f"{path}: {str(error).splitlines()[0]}")
        return None


def _by_round(results: Results) -> dict[str, Any] | None:
    """The pair's headline metric before alignment and after each round; None where there is nothing to join."""
    metric = results.headline_metric
    scored = {row.round: row.metrics[metric] for name, row in results.methods.items()
              if name.startswith("collaborate") and row.round is not None and metric in row.metrics}  # fmt: skip
    if len(scored) < 2:
        return None
    found = sorted(scored.items())
    numbers = [
        (words.count(number), f"{words.percent(each.value)} {words.interval(each.ci95)}") for number, each in found
    ]
    return {"plot": plots.trend([(number, each.value, each.ci95) for number, each in found]), "numbers": numbers}


def _intervals(results: Results) -> dict[str, Any]:
    """The methods' dots on one axis, by name, and the axis under "": both for the headline metric."""
    metric = results.headline_metric
    scored = {name: row.metrics[metric] for name, row in results.methods.items() if metric in row.metrics}
    on = plots.axis([bound for each in scored.values() for bound in (each.value, *(each.ci95 or ()))])
    kinds = {name: "pair" if name == results.pair else "plain" for name in scored}
    dots = {name: plots.interval(each.value, each.ci95, on, kind=kinds[name]) for name, each in scored.items()}
    return {"": plots.scale(on), **dots}


def _differences(results: Results) -> dict[str, Any]:
    """The comparisons' dots by their index, and the axis under ""; the axis always shows 0."""
    bounds = [bound for each in results.comparisons for bound in (each.difference, *(each.ci95 or ()))]
    on = plots.axis([0.0, *bounds])
    dots = {
        str(index): plots.interval(each.difference, each.ci95, on, kind=each.verdict)
        for index, each in enumerate(results.comparisons)
    }
    return {"": plots.scale(on), **dots}


def _rounds(collected: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"number": each["round"], "feedback": Feedback.model_validate(each["feedback"]), "failures": each["failures"]}
        for each in collected["rounds"]
        if each["feedback"] is not None
    ]


def _roles(collected: dict[str, Any], results: Results | None) -> dict[str, list[dict[str, int]]]:
    """Calls and tokens by role, in feedback and in the evaluation."""
    feedback = [each["feedback"] for each in _rounds(collected)]
    methods = list(results.methods.values()) if results else []
    parts = [feedback, methods]
    names = dict.fromkeys(role for part in parts for each in part for role in (*each.calls, *each.usage))
    return {
        role: [
            {
                "calls": sum(each.calls.get(role, 0) for each in part),
                "prompt": sum(each.usage.get(role, Usage()).prompt_tokens for each in part),
                "completion": sum(each.usage.get(role, Usage()).completion_tokens for each in part),
            }
            for part in parts
        ]
        for role in names
    }


def _money_by_stage(collected: dict[str, Any], results: Results | None) -> dict[str, float | None]:
    money = {f"Feedback, round {each['number']}": each["feedback"].cost_usd for each in _rounds(collected)}
    for name, row in (results.methods if results else {}).items():
        money[f"Evaluation: {label(name)}"] = row.cost_usd
    return money


def _cases(run: runs.RunFolder, results: Results | None, unreadable: list[str]) -> dict[str, list[Case]]:
    try:
        return find_cases(run.evaluate / "predictions", results.pair if results else None)
    except (CowestError, OSError, ValueError, TypeError, AttributeError) as error:
        unreadable.append(f"{run.evaluate / 'predictions'}: {str(error).splitlines()[0]}")
        return {"help": [], "harm": []}


def _series(run: runs.RunFolder, collected: dict[str, Any], unreadable: list[str], what: str) -> dict[str, Any]:
    """Gains of each round's drafts, or curves of each training; what cannot be read is named."""
    numbers = [each["round"] for each in collected["rounds"]]
    read: Callable[[Path], Any]
    if what == "gains":
        read, files = series.gains, {str(number): run.feedback(number) / "graded.jsonl" for number in numbers}
    else:
        trainings = {"SFT": run.sft, **{f"Alignment, round {number}": run.align(number) for number in numbers}}
        read, files = series.curves, {name: folder / "metrics.jsonl" for name, folder in trainings.items()}
    found: dict[str, Any] = {}
    for name, path in files.items():
        try:
            found[name] = read(path)
        except (CowestError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            unreadable.append(f"{path}: {str(error).splitlines()[0]}")
    return {name: values for name, values in found.items() if values}


def _tradeoff(results: Results) -> list[tuple[str, float, float, tuple[float, float] | None, str]]:
    """The methods with a cost and a score; empty where all cost the same, so that there is nothing to weigh."""
    metric = results.headline_metric
    found = []
    for name, row in results.methods.items():
        cost = results.cost_per_query(name)
        if cost is not None and metric in row.metrics:
            score = row.metrics[metric]
            found.append((name, cost, score.value, score.ci95, "pair" if name == results.pair else "plain"))
    return found if len({cost for _, cost, *_ in found}) > 1 else []


def _prompt_versions(run: runs.RunFolder) -> dict[str, str]:
    for folder in (run.evaluate, run.feedback(1), run.sft):
        try:
            versions = runs.read_json(folder / "inputs.json")["prompt files"]
            return {str(name): str(version) for name, version in versions.items()}
        except (CowestError, KeyError, TypeError, AttributeError):
            continue
    return {}


def _versions(collected: dict[str, Any]) -> dict[str, str]:
    try:
        own = importlib.metadata.version("cowest")
    except importlib.metadata.PackageNotFoundError:
        own = "not installed"
    trained = (collected["sft"] or {}).get("versions") or {}
    versions = {"cowest": own, "python": platform.python_version(), **trained}
    return {str(name): str(version) for name, version in versions.items()}
