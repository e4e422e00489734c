"""Runs a bench: the recipe itself, then every cell; skips finished ones, and a failed cell does not stop the rest."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cowest import runs
from cowest.bench.cell import Cell
from cowest.bench.cells import (
    MAIN,
    PAPERS_KIND,
    make_cells,
    make_equal_cells,
    make_pairs_cells,
    require_trainable,
    sft_key,
)
from cowest.bench.figures import draw_figures, require_matplotlib
from cowest.bench.outcomes import CellResult, Probe, SeedRun
from cowest.bench.seeds import cells_of_seed, recipes_of_seeds
from cowest.bench.summary import summarise
from cowest.bench.table import cases_text, latex_table, markdown_table
from cowest.errors import BudgetError, CowestError, InputError, InterruptedRun
from cowest.pipeline import Pipeline, Say
from cowest.pipeline.models import find_lost_id
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
    require_trainable(recipe)
    run = runs.RunFolder(recipe.run)
    if not force:
        further = [cell for each in recipes_of_seeds(recipe) for cell in cells_of_seed(each)]
        for cell in [*cells, *make_pairs_cells(recipe, _count_pairs(run)), *further]:
            Pipeline(cell.recipe).check_results()
    folder = run.path / "bench"
    with runs.RunFolder(folder).lock():
        work = _Work(_find_run_id(recipe, run, say), {}, say, force)
        seeds = [work.run_seed(recipe, cells)]
        for seed_recipe in recipes_of_seeds(recipe, _pairs_swept(seeds[0])):
            say(f"bench: seed {seed_recipe.seed}")
            seeds.append(work.run_seed(seed_recipe, cells_of_seed(seed_recipe)))
        bench = summarise(seeds)
        _write(folder, bench, seeds[0].probe, work.examples)
        write_page(run.path)
    if all(row.state == "failed" for row in bench.rows):
        raise CowestError(f"Every row of the bench failed. The first: {bench.rows[0].reason}")
    return bench


def _pairs_swept(first: SeedRun) -> tuple[int, ...]:
    """The numbers of pairs that the first seed trained on, the same for the others."""
    return tuple(int(cell.value) for cell in first.cells if cell.purpose == "pairs")


@dataclass
class _Work:
    """What the seeds of a bench share.

    Attributes:
        run_id: of the recipe's run in the ledger.
        sft_folders: of finished SFT, by `sft_key`.
        force: whether finished results of other settings are replaced.
        examples: of the evaluation.
    """

    run_id: str
    sft_folders: dict[str, Path]
    say: Say
    force: bool = False
    examples: Sequence[Example] = ()

    def run_seed(self, recipe: Recipe, cells: Sequence[Cell]) -> SeedRun:
        """Runs the recipe itself and its cells, those last whose recipe depends on the numbers of pairs."""
        run = runs.RunFolder(recipe.run)
        _keep_run_id(run, self.run_id)
        main_result, probe, self.examples = _run_main(recipe, run, run.path / "bench", self.say)
        cell_results = {MAIN: main_result}
        num_pairs = {PAPERS_KIND: _count_pairs(run)}
        self.sft_folders[sft_key(recipe)] = run.sft
        done: list[Cell] = []

        def run_all(more: Sequence[Cell], last: int) -> None:
            for cell in more:
                done.append(cell)
                self.say(f"bench: {cell.name} ({len(done)} of {last})")
                cell_results[cell.name] = result = self._run_cell(cell, run)
                if result.reason is not None:
                    self.say(f"bench: {cell.name} failed: {result.reason}")
                elif cell.purpose == "kind":
                    num_pairs[cell.value] = _count_pairs(runs.RunFolder(cell.recipe.run))

        pairs_cells = make_pairs_cells(recipe, num_pairs[PAPERS_KIND])
        run_all(cells, len(cells) + len(pairs_cells))
        equal_cells = make_equal_cells(recipe, num_pairs)
        run_all([*pairs_cells, *equal_cells], len(cells) + len(pairs_cells) + len(equal_cells))
        return SeedRun(recipe, done, cell_results, probe, num_pairs)

    def _run_cell(self, cell: Cell, run: runs.RunFolder) -> CellResult:
        started = time.monotonic()
        folder = runs.RunFolder(cell.recipe.run)
        result = CellResult(folder.path)
        try:
            self._prepare(cell, folder, run)
            with Pipeline(cell.recipe, say=lambda line: self.say(f"  {line}")) as pipeline:
                if cell.trains:
                    result.results = pipeline.run(force=self.force)
                else:
                    result.results = pipeline.evaluate(force=self.force)
            if cell.trains and not (folder.align(1) / DONE_MARKER).is_file():
                result.reason = _explain_no_alignment(folder)
            if (folder.sft / DONE_MARKER).is_file():
                self.sft_folders.setdefault(sft_key(cell.recipe), folder.sft)
        except (BudgetError, InterruptedRun):
            raise
        except CowestError as error:
            result.reason = str(error)
        except Exception as error:  # an error of any library costs one row, not the whole bench
            result.reason = f"{type(error).__name__}: {error}"
        result.wall_s = time.monotonic() - started
        return result

    def _prepare(self, cell: Cell, folder: runs.RunFolder, run: runs.RunFolder) -> None:
        """Gives a cell the run's id in the ledger, and links to trained models that it can share."""
        _keep_run_id(folder, self.run_id)
        source = self.sft_folders.get(sft_key(cell.recipe))
        if source is not None and (source / DONE_MARKER).is_file():
            _link(folder.path / "sft", source)
        if not cell.trains:
            for number in range(1, cell.recipe.rounds + 1):
                if run.round(number).is_dir():
                    _link(folder.path / f"round-{number}", run.round(number))


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


def _find_run_id(recipe: Recipe, run: runs.RunFolder, say: Say) -> str:
    """The run's id in the ledger; one that was lost is that of its cells, which hold it too, or is in the ledger."""
    if not run.has_id:
        cells = map(runs.RunFolder, (run.path / "bench").glob("*/"))
        of_cells = {known for cell in cells if (known := cell.known_id)}
        if len(of_cells) == 1:
            _keep_run_id(run, of_cells.pop())
            say("the run's id (.run-id) was missing; the cells of its bench have it, so that all spent counts as one")
    find_lost_id(run.locate_ledger(recipe.ledger), run, say)
    return run.id


def _keep_run_id(folder: runs.RunFolder, run_id: str) -> None:
    """All runs of a bench are one in the ledger, so that each call is paid once and one budget covers them."""
    folder.path.mkdir(parents=True, exist_ok=True)
    if not (folder.path / ".run-id").exists():
        runs.write_text(folder.path / ".run-id", f"{run_id}\n")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and not link.exists():
        link.unlink()
    if not link.exists():
        link.symlink_to(os.path.relpath(target.absolute(), link.parent.absolute()))


def _explain_no_alignment(folder: runs.RunFolder) -> str:
    out = folder.feedback(1)
    summary = FeedbackSummary.read(out / "summary.json")
    if summary.num_pairs:
        return "the weak model cannot be trained here, so there is no aligned model."
    counts = (
        "feedback gave no pair, so there is no aligned model. "
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


def _count_pairs(folder: runs.RunFolder) -> int:
    """The preference pairs of a run's first round."""
    path = folder.feedback(1) / "pairs.jsonl"
    return sum(1 for _ in runs.read_jsonl(path)) if path.is_file() else 0
