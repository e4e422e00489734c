"""Runs a bench: the recipe itself, then every cell; skips finished ones, and a failed cell does not stop the rest."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from cowest import runs
from cowest.bench.cells import MAIN, Cell, CellResult, make_cells, make_pairs_cells, sft_key
from cowest.bench.figures import draw_figures, require_matplotlib
from cowest.bench.points import Probe
from cowest.bench.summary import summarise
from cowest.bench.table import cases_text, latex_table, markdown_table
from cowest.errors import BudgetError, CowestError, InputError, InterruptedRun
from cowest.pipeline import Pipeline, Say
from cowest.recipe import Recipe
from cowest.records import BenchResults, ComparedExample, FeedbackSummary, GradedExample
from cowest.report import write_page
from cowest.training.trained import DONE_MARKER
from cowest.types import Example


def run_bench(recipe: Recipe, say: Say = lambda line: None, *, force: bool = False) -> BenchResults:
    """Runs every cell, and writes the files of RUN/bench and the run's page.

    All cells share the run's ledger and its id there, so each call is paid for once and one budget covers them all.

    Args:
        force: whether finished results of cells with other settings are replaced, each once its new ones are whole.

    Raises:
        InputError: the recipe or that of a cell is wrong, a cell has finished results of other settings and `force` is
            not given, or matplotlib is missing; nothing was spent.
        BudgetError, InterruptedRun: the same command continues.
        CowestError: every row failed.
    """
    require_matplotlib()
    cells = make_cells(recipe)
    for cell in cells:
        Pipeline(cell.recipe).check_names()
    run = runs.RunFolder(recipe.run)
    if not force:
        for cell in [*cells, *make_pairs_cells(recipe, _count_rows(run.feedback(1) / "pairs.jsonl"))]:
            Pipeline(cell.recipe).check_results()
    folder = run.path / "bench"
    with runs.RunFolder(folder).lock():
        main_result, probe, examples = _run_main(recipe, run, folder, say)
        cell_results = {MAIN: main_result}
        num_pairs = _count_rows(run.feedback(1) / "pairs.jsonl")
        cells += make_pairs_cells(recipe, num_pairs)
        sft_folders = {sft_key(recipe): run.sft}
        for number, cell in enumerate(cells, 1):
            say(f"bench: {cell.name} ({number} of {len(cells)})")
            cell_results[cell.name] = _run_cell(cell, run, sft_folders, say, force=force)
            if cell_results[cell.name].reason is not None:
                say(f"bench: {cell.name} failed: {cell_results[cell.name].reason}")
        bench = summarise(recipe, cells, cell_results, probe, num_pairs)
        _write(folder, bench, probe, examples)
        write_page(run.path)
    if all(row.state == "failed" for row in bench.rows):
        raise CowestError(f"Every row of the bench failed. The first: {bench.rows[0].reason}")
    return bench


def _run_main(
    recipe: Recipe, run: runs.RunFolder, folder: Path, say: Say
) -> tuple[CellResult, Probe | None, Sequence[Example]]:
    """Trains the recipe's own run and probes its drafts; also returns the evaluation examples."""
    say("bench: the run itself")
    started = time.monotonic()
    result, probe = CellResult(run.path), None
    with Pipeline(recipe, say=say) as pipeline:
        examples = pipeline.context.data.evaluation()
        try:
            pipeline.train()
            probe = _probe(pipeline, examples, folder) if recipe.bench.probe else None
        except (InputError, BudgetError, InterruptedRun):
            raise
        except CowestError as error:
            result.reason = str(error)
            say(f"bench: the run itself failed: {error}")
    result.wall_s = time.monotonic() - started
    return result, probe, examples


def _write(folder: Path, bench: BenchResults, probe: Probe | None, examples: Sequence[Example]) -> None:
    runs.write_text(folder / "table.md", markdown_table(bench))
    runs.write_text(folder / "table.tex", latex_table(bench))
    draw_figures(bench, folder)
    if probe is not None:
        references = {example.id: example.references for example in examples}
        runs.write_text(folder / "cases.md", cases_text(probe.after, references))
    bench.write(folder / "bench.json")


def _run_cell(cell: Cell, run: runs.RunFolder, sft_folders: dict[str, Path], say: Say, *, force: bool) -> CellResult:
    started = time.monotonic()
    folder = runs.RunFolder(cell.recipe.run)
    result = CellResult(folder.path)
    try:
        _prepare(cell, folder, run, sft_folders)
        with Pipeline(cell.recipe, say=lambda line: say(f"  {line}")) as pipeline:
            if cell.trains:
                result.results = pipeline.run(force=force)
            else:
                result.results = pipeline.evaluate(force=force)
        if cell.trains and not (folder.align(1) / DONE_MARKER).is_file():
            result.reason = f"feedback gave no pair, so there is no aligned model. {_explain_no_pair(folder)}"
        if (folder.sft / DONE_MARKER).is_file():
            sft_folders.setdefault(sft_key(cell.recipe), folder.sft)
    except (BudgetError, InterruptedRun):
        raise
    except CowestError as error:
        result.reason = str(error)
    except Exception as error:  # an error of any library costs one row, not the whole bench
        result.reason = f"{type(error).__name__}: {error}"
    result.wall_s = time.monotonic() - started
    return result


def _prepare(cell: Cell, folder: runs.RunFolder, run: runs.RunFolder, sft_folders: dict[str, Path]) -> None:
    """Gives a cell the run's id in the ledger, and links to trained models that it can share."""
    folder.path.mkdir(parents=True, exist_ok=True)
    if not (folder.path / ".run-id").exists():
        runs.write_text(folder.path / ".run-id", f"{run.id}\n")
    source = sft_folders.get(sft_key(cell.recipe))
    if source is not None and (source / DONE_MARKER).is_file():
        _link(folder.path / "sft", source)
    if not cell.trains:
        for number in range(1, cell.recipe.rounds + 1):
            if run.round(number).is_dir():
                _link(folder.path / f"round-{number}", run.round(number))


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and not link.exists():
        link.unlink()
    if not link.exists():
        link.symlink_to(os.path.relpath(target.absolute(), link.parent.absolute()))


def _explain_no_pair(folder: runs.RunFolder) -> str:
    out = folder.feedback(1)
    summary = FeedbackSummary.read(out / "summary.json")
    counts = (
        f"Of {summary.num_drafts} drafts {summary.num_positive} were positive, {summary.num_negative} negative and "
        f"{summary.num_unscored} unscored."
    )
    reasons = (reason for row in runs.read_jsonl(out / "graded.jsonl") if (reason := _unscored_reason(row)))
    reason = next(reasons, None)
    return counts if reason is None else f"{counts} For instance: {reason}."


def _unscored_reason(row: dict[str, object]) -> str | None:
    """Why a draft of an example was not scored; None where all were."""
    if "comparisons" in row:
        return next(
            (reason for each in ComparedExample.model_validate(row).comparisons if (reason := each.unscored_reason)),
            None,
        )
    drafts = GradedExample.model_validate(row).drafts
    return next((reason for each in drafts if (reason := each.verdict.unscored_reason)), None)


def _probe(pipeline: Pipeline, examples: Sequence[Example], folder: Path) -> Probe | None:
    """Grades drafts of the weak model before and after alignment on the same examples of the evaluation split."""
    last_round = pipeline.context.weak.num_rounds_done()
    if last_round == 0:
        return None
    probed = [examples[index] for index in range(min(pipeline.recipe.bench.probe, len(examples)))]
    folder = folder / f"probe-{len(probed)}"
    return Probe(
        before=pipeline.probe(0, probed, folder / "before"),
        after=pipeline.probe(last_round, probed, folder / f"after-round-{last_round}"),
    )


def _count_rows(path: Path) -> int:
    return sum(1 for _ in runs.read_jsonl(path)) if path.is_file() else 0
