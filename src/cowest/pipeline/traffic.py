"""Queries of feedback from recorded traffic (`serve.record`): what an application was asked becomes the next round.

The rules of the record hold: a day's file is not read when it is older than `serve.record.keep_days`, whether a server
has deleted it yet or not, and whatever is sent to an endpoint goes through its `redact`.
"""

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from cowest import fingerprints, runs, words
from cowest.errors import InputError
from cowest.pipeline.progress import Say
from cowest.plugins import looked_in, nearest, resolve_path
from cowest.recipe import Recipe
from cowest.records import read_rows as read_records
from cowest.serving_config import TRAFFIC_FILE, RecordConfig, first_kept_day
from cowest.stages.feedback_config import TRAINING_ROWS
from cowest.stages.queries import draw
from cowest.tasks import Row, Task, read_rows
from cowest.types import Example

QUERIES = "queries.jsonl"
"""The queries of a round from recorded traffic, which goes on while the round is gathered."""

DAY = "recorded"
"""The field of an example that holds the day of its record."""


def today() -> datetime.date:
    """The current date in UTC, which the files of the record are named by."""
    return datetime.datetime.now(datetime.UTC).date()


def is_from_traffic(recipe: Recipe) -> bool:
    """Whether feedback draws its queries from recorded traffic."""
    return recipe.feedback.queries_from not in TRAINING_ROWS


def traffic(recipe: Recipe, task: Task, say: Say) -> list[Example]:
    """The recorded queries, each once, without those that a split for measuring has too.

    Raises:
        InputError: there is no such file or folder, a row is broken, none is left, or a row has no answer although the
            judge needs one.
    """
    location = recipe.feedback.queries_from
    examples: list[Example] = []
    measured = _measured_on(recipe, task)
    seen, num_left_out = set(measured), {"repeated": 0, "measured": 0}
    for example in _examples(_files(resolve_path(location), location, _keep_days(recipe), say)):
        identity = _normal(example.query)
        if identity in seen:
            num_left_out["measured" if identity in measured else "repeated"] += 1
            continue
        seen.add(identity)
        examples.append(example)
    if num_left_out["repeated"]:
        say(f"traffic: {words.plural(num_left_out['repeated'], 'row')} left out, repeating an earlier query")
    if num_left_out["measured"]:
        say(f"traffic: {words.plural(num_left_out['measured'], 'row')} left out, asked by validation or test too")
    if not examples:
        raise InputError(
            f"feedback.queries_from {location!r} holds no query to learn from"
            f"{' besides those of validation and test' if measured else ''}. Give a folder that serve.record fills."
        )
    if recipe.needs_references and (missing := [example for example in examples if not example.references]):
        raise InputError(
            f"{len(missing)} of the {len(examples)} recorded queries in {location!r} have no answer, which the judge "
            "needs. Write judge: {reference: none} to compare outputs with the strong model's own, or fill in `answer`."
        )
    return examples


def round_queries(
    recipe: Recipe, pool: Callable[[], Sequence[Example]], folder: Path, number: int
) -> Sequence[Example]:
    """The queries of a round: drawn from training rows, or from traffic and then kept with the round's files.

    Args:
        pool: gives the rows to draw from.
        folder: of the round's feedback.
        number: of the round.

    Raises:
        InputError: the round was begun with queries that are older by now than may be kept.
    """
    file = folder / QUERIES
    if not is_from_traffic(recipe):
        return draw(pool(), recipe.feedback.queries, recipe.seed, number)
    if not (file.is_file() and (folder / fingerprints.INPUTS).is_file()):
        examples = draw(pool(), recipe.feedback.queries, recipe.seed, number)
        runs.write_jsonl(file, examples)
        return examples
    kept = list(read_records(file, Example, "query"))
    first = first_kept_day(today(), _keep_days(recipe))
    old = sum(str(example.fields.get(DAY, first)) < first for example in kept)
    if old and not (folder / "summary.json").is_file():
        raise InputError(
            f"{old} of the {len(kept)} queries in {str(file)!r} were recorded before {first}, longer ago than "
            f"serve.record.keep_days allows, so they are not sent any more. Delete {str(folder)!r} to begin the round "
            "again with newer ones."
        )
    return kept


def _keep_days(recipe: Recipe) -> int:
    return (recipe.serve.record or RecordConfig()).keep_days


def _files(path: Path, location: str, keep_days: int, say: Say) -> list[Path]:
    """The files of the record that are not too old; a file that is not named by a day has no age."""
    if not path.exists():
        hint = nearest(location, list(TRAINING_ROWS))
        raise InputError(
            f"feedback.queries_from {location!r} does not exist.{hint}{looked_in(location)} Give train, held_back, or "
            "the folder that serve.record fills."
        )
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if TRAFFIC_FILE.fullmatch(file.name))
    first = first_kept_day(today(), keep_days)
    old = [file for file in files if (day := _day(file)) is not None and day < first]
    if old:
        what = words.plural(len(old), "file")
        say(f"traffic: {what} left out, of days before {first} (serve.record.keep_days: {keep_days})")
    return [file for file in files if file not in old]


def _examples(files: Iterable[Path]) -> Iterator[Example]:
    for file in files:
        day = _day(file)
        for number, row in enumerate(read_rows(str(file)), start=1):
            yield _example(row, f"{day or file.stem} {number}", day)


def _example(row: Row, identifier: str, day: str | None) -> Example:
    question = row.text("question")
    context = None if row.is_blank("context") else row.text("context")
    query = f"{context}\n\n{question}" if context else question
    return Example(
        id=identifier,
        query=query,
        references=() if row.is_blank("answer") else row.texts("answer"),
        fields={} if day is None else {DAY: day},
    )


def _day(file: Path) -> str | None:
    named = TRAFFIC_FILE.fullmatch(file.name)
    return named[1] if named else None


def _measured_on(recipe: Recipe, task: Task) -> set[str]:
    """What validation and test ask, as they ask it."""
    named = [name for name in ("validation", "test") if getattr(recipe.task, name) is not None]
    examples = (example for name in named for example in task.split(name))
    return {_normal(text) for each in examples for text in (each.query, task.question_of(each))}


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
