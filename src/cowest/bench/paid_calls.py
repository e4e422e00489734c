"""The calls that feedback and alignment of some rounds pay for in a run by itself, where an equal call is paid once."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cowest import runs
from cowest.alignment.rollouts import ROLLOUTS
from cowest.judge import JudgeConfig
from cowest.recipe import Recipe
from cowest.records import GradedExample, RolloutStep, read_rows
from cowest.types import GradedDraft


class _Request(NamedTuple):
    """What decides a reply: `text` is what is refined or judged, empty for z.

    `sample_index` is None for a judge at temperature 0: a stage remembers its replies and does not count them again.
    """

    role: str
    example_id: str
    text: str
    sample_index: int | None


_Requests = Iterator[tuple[_Request, int]]
"""Each with the number of calls that it takes."""


def paid_calls(recipe: Recipe, num_rounds: int, calls: Mapping[str, int]) -> dict[str, int] | None:
    """Calls of strong model and judges by role, equal ones once.

    The cells of a bench share a ledger, which holds the calls of one method only in part. So they are counted from the
    files of the rounds: all that were made, less those that the run's own ledger would have answered, since the run had
    made them before. These are z and its verdict where a query is drawn again, and refinements and verdicts of texts
    that are word for word the same.

    Args:
        recipe: of the run; its feedback is collaborative, or `solo` for an alignment that drafts.
        num_rounds: the first rounds, whose files are read.
        calls: made in all of them, by role, those answered from a ledger included.

    Returns:
        None where a round's graded.jsonl is missing.

    Raises:
        InputError: a file is broken.
    """
    folder, seen = runs.RunFolder(recipe.run), set[_Request]()
    paid = {role: count for role, count in calls.items() if role != "weak"}
    for number in range(1, num_rounds + 1):
        graded = folder.feedback(number) / "graded.jsonl"
        if not graded.is_file():
            return None
        rows = list(read_rows(graded, GradedExample, "graded example"))
        for stage in (_of_feedback(recipe, rows), _of_alignment(recipe, rows, folder.align(number) / ROLLOUTS)):
            in_stage = set[_Request]()
            for request, num_calls in stage:
                is_remembered = request.sample_index is None and request in in_stage
                if not is_remembered and (request in seen or request in in_stage):
                    paid[request.role] = max(0, paid.get(request.role, 0) - num_calls)
                in_stage.add(request)
            seen |= in_stage
    return paid


def _of_feedback(recipe: Recipe, rows: Iterable[GradedExample]) -> _Requests:
    for row in rows:
        yield _Request("strong", row.example_id, "", 0), 1
        if recipe.needs_references:
            yield from _of_verdict(recipe, row, row.solo, 0)
        for draft in row.drafts:
            yield from _of_draft(recipe, row, draft)


def _of_alignment(recipe: Recipe, rows: Iterable[GradedExample], rollouts: Path) -> _Requests:
    """Of the drafts that an alignment sampled while it trained; none where it samples none."""
    by_id = {row.example_id: row for row in rows}
    for step in read_rows(rollouts, RolloutStep, "step") if rollouts.is_file() else ():
        for rollout in step.rollouts:
            yield from _of_draft(recipe, by_id[rollout.example_id], rollout.graded)


def _of_draft(recipe: Recipe, row: GradedExample, draft: GradedDraft) -> _Requests:
    if draft.refined is not None:
        index = draft.draft.sample_index
        yield _Request("strong", row.example_id, f"draft: {draft.draft.text}", index), 1
        yield from _of_verdict(recipe, row, draft.refined, index)


def _of_verdict(recipe: Recipe, row: GradedExample, text: str, index: int) -> _Requests:
    """The questions of each judge about an output; without references it is compared with z, unless it equals z."""
    if not recipe.needs_references and text.strip() == row.solo.strip():
        return
    num_orders = 1 if recipe.needs_references else 2
    for role, config in recipe.judge_models().items():
        repeats, is_sampled = 1, False
        if isinstance(config, JudgeConfig):
            repeats, is_sampled = config.repeats, config.sampling.temperature > 0
        yield _Request(role, row.example_id, text, index if is_sampled else None), num_orders * repeats
