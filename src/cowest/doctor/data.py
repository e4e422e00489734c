"""Checks of a recipe's data: every split read, gold answers scored, problems by row, SFT targets, overlaps."""

from collections.abc import Iterator, Sequence

from cowest.doctor.check import DETAIL, FAULT, FINE, NOTICE, Check
from cowest.errors import InputError
from cowest.formats import load_format
from cowest.pipeline import Pipeline, asks_for_explanations
from cowest.stages.explanations import without_explanation
from cowest.tasks import Problem, Task

KINDS = {
    "gold": "references that do not score full marks",
    "unanswered": "rows without an answer, which feedback alone can use",
    "duplicate": "rows that repeat an earlier one",
    "contradiction": "rows that contradict an earlier one",
    "empty": "rows with an empty field",
    "leak": "rows whose query may give the answer away",
    "flaw": "rows with another flaw",
}


def check_data(pipeline: Pipeline, num_shown: int | None) -> Iterator[Check]:
    """Reads every split and validates it; names at most `num_shown` rows of each kind of problem."""
    task, needed = pipeline.context.data.task, ("train", pipeline.recipe.evaluate.split)
    broken, reported = False, set[str]()
    for name, location in task.locations.items():
        if location is None and name not in needed:
            continue
        try:
            split = task.split(name)
        except InputError as error:
            broken = True
            if str(error) not in reported:  # an error that concerns two splits is reported once
                reported.add(str(error))
                yield Check(FAULT, str(error))
            continue
        validation = task.validate(split)
        num_answered = validation.num_examples - validation.counts.get("unanswered", 0)
        mark = FINE if validation.num_gold_full == num_answered else FAULT
        line = (
            f"{name}: {validation.num_examples:,} examples; {validation.num_gold_full:,} gold answers score full marks"
        )
        yield Check(mark, line)
        for kind, description in KINDS.items():
            rows = [problem for problem in validation.problems if problem.kind == kind]
            yield from _list_rows(NOTICE, f"{name}: {len(rows):,} {description}", rows, num_shown)
        if name == "train":
            yield from _check_targets(pipeline, task)
    if not broken:
        yield from _check_overlap(task, num_shown)


def _check_targets(pipeline: Pipeline, task: Task) -> Iterator[Check]:
    recipe = pipeline.recipe
    if recipe.sft.from_ is not None or recipe.weak.provider != "local":
        return
    draft_format = load_format(recipe.format)
    labelled = [example for example in task.train if example.references]
    num_targets = sum(draft_format.target(example) is not None for example in labelled)
    num_explained = sum(bool(example.explanation) for example in labelled)
    line = f"train: {num_targets:,} rows give a target for {draft_format.name}; {num_explained:,} have an explanation"
    num_to_explain = 0
    if asks_for_explanations(recipe):
        num_to_explain = len(without_explanation(labelled, draft_format, task))
        line += f"; the strong model is to explain {num_to_explain:,}"
    yield Check(FINE if num_targets or num_to_explain else FAULT, line)


def _check_overlap(task: Task, num_shown: int | None) -> Iterator[Check]:
    if task.overlap == "drop":
        line = f"{len(task.dropped):,} rows are left out of an earlier split"
        yield from _list_rows(FINE, line, task.dropped, num_shown)
        return
    if overlaps := task.overlaps():
        refused = task.overlap == "refuse"
        advice = "; write task.overlap: drop to leave them out of the split that is trained on" if refused else ""
        line = f"{len(overlaps):,} rows are in two splits{advice}"
        yield from _list_rows(FAULT if refused else NOTICE, line, overlaps, num_shown)


def _list_rows(mark: str, line: str, rows: Sequence[Problem], num_shown: int | None) -> Iterator[Check]:
    if not rows:
        return
    yield Check(mark, line)
    for problem in rows[:num_shown]:
        yield Check(DETAIL, f"    row {problem.row}, {problem.field}: {problem.problem}")
    if num_shown is not None and len(rows) > num_shown:
        yield Check(DETAIL, f"    and {len(rows) - num_shown:,} more; --all names them")
