"""What is exported of a run; refuses runs that are not finished."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cowest import runs
from cowest.alignment import AlignConfig
from cowest.checking import check
from cowest.errors import InputError
from cowest.records import EvaluationResults, FeedbackSummary, StageInputs, TrainingRecord
from cowest.records.spend import with_alignment
from cowest.stages.align import holds_nothing, rounds_before
from cowest.training.trained import DONE_MARKER, TrainedModel
from cowest.yaml_reading import read_yaml


@dataclass(frozen=True)
class Round:
    """The pairs of one round, the summary of its feedback, and the record of its alignment."""

    number: int
    pairs: Path
    feedback: FeedbackSummary
    align: TrainingRecord

    @property
    def spent(self) -> FeedbackSummary:
        """The summary with the calls that alignment made."""
        return with_alignment(self.feedback, self.align)


@dataclass(frozen=True)
class FinishedRun:
    """A run whose every stage is done.

    Attributes:
        recipe: as resolved; it holds no secrets.
        trained: the weak model after its last stage.
        stage: that stage, e.g. "DPO, round 2".
        prompts: versions of the prompt templates by name.
    """

    name: str
    recipe: dict[str, Any]
    results: EvaluationResults
    rounds: tuple[Round, ...]
    trained: TrainedModel
    adapter: Path
    stage: str
    prompts: dict[str, str]

    @property
    def base(self) -> str:
        """The base model's public name: a hub id, or the last part of a local path."""
        return public_name(self.trained.base)


def read(folder: Path) -> FinishedRun:
    """Reads a run.

    Raises:
        InputError: there is no such run, a stage is missing or broken, or no adapter was trained.
    """
    run = runs.RunFolder(folder)
    if not run.recipe.is_file():
        raise InputError(f"{str(folder)!r} is not a run's folder: it has no recipe.yaml. Give the folder of a run.")
    recipe = _read_recipe(run.recipe)
    weak = str((recipe.get("weak") or {}).get("model", ""))
    if not weak.startswith("local/"):
        raise InputError(
            f"The run {str(run.path)!r} trains nothing, since weak.model is {weak!r}: there is no adapter to export. "
            f"Its pairs are in {str(run.path / 'round-1/feedback/pairs.jsonl')!r}."
        )
    rounds, last = _read_rounds(run, recipe)
    results_file = run.evaluate / "results.json"
    if not results_file.is_file():
        raise _unfinished(run, "the evaluation has no results, which a card must state")
    results = EvaluationResults.read(results_file)
    stage_folder, stage = (run.align(last), f"{_alignment_name(recipe)}, round {last}") if last else (run.sft, "SFT")
    if not (stage_folder / DONE_MARKER).is_file():
        raise _unfinished(run, f"{stage} has not trained the weak model")
    trained = TrainedModel.read(stage_folder)
    if trained.folder is None:
        raise InputError(
            f"The run {str(run.path)!r} trained no adapter: its weak model is the unchanged {trained.base!r}. "
            "There is nothing to export."
        )
    return FinishedRun(
        name=run.path.resolve().name,
        recipe=recipe,
        results=results,
        rounds=tuple(rounds),
        trained=trained,
        adapter=Path(trained.folder),
        stage=stage,
        prompts=_prompt_versions(run.evaluate / "inputs.json"),
    )


def public_name(location: str) -> str:
    """A model's or file's name without the folders of this machine: a hub id, or the last part of a path."""
    name = location.removeprefix("local/")
    is_path = name.startswith(("/", ".", "~")) or ":" in name or name.count("/") > 1 or Path(name).exists()
    return name.rstrip("/").replace(":", "/").rpartition("/")[2] if is_path else name


def _read_rounds(run: runs.RunFolder, recipe: dict[str, Any]) -> tuple[list[Round], int]:
    """The rounds with their pairs, and the last aligned round; 0 where there is none."""
    rounds: list[Round] = []
    for number in range(1, int(recipe.get("rounds", 1)) + 1):
        pairs, summary = run.feedback(number) / "pairs.jsonl", run.feedback(number) / "summary.json"
        if not summary.is_file() or not pairs.is_file():
            raise _unfinished(run, f"feedback of round {number} is not done")
        if not (run.align(number) / DONE_MARKER).is_file():
            config = check(
                AlignConfig, recipe.get("align") or {}, f"The section align of {str(run.recipe)!r} is not valid"
            )
            if holds_nothing(run.feedback(number), config, rounds_before(run, number, config)):  # the run ends here
                return rounds, number - 1
            raise _unfinished(run, f"alignment of round {number} is not done")
        align = TrainingRecord.read(run.align(number) / DONE_MARKER)
        rounds.append(Round(number, pairs, FeedbackSummary.read(summary), align))
    return rounds, len(rounds)


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        recipe = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read ({error}). Run the recipe again to have it written.") from error
    if not isinstance(recipe, dict):
        raise InputError(f"{str(path)!r} is not a recipe. Run the recipe again to have it written.")
    return recipe


def _prompt_versions(path: Path) -> dict[str, str]:
    """The versions of the prompts used in the evaluation."""
    return StageInputs.read(path).prompt_files if path.is_file() else {}


def _alignment_name(recipe: dict[str, Any]) -> str:
    return str((recipe.get("align") or {}).get("method", "alignment")).upper()


def _unfinished(run: runs.RunFolder, why: str) -> InputError:
    return InputError(
        f"The run {str(run.path)!r} is not finished: {why}. Run `cowest run` with its recipe ({str(run.recipe)!r}), "
        "which continues where it stopped, then export again."
    )
