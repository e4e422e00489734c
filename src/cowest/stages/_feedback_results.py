"""The results of a round of feedback: rows are written as they come, in order, and only counts are kept in memory."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Self

from cowest import preferences, runs
from cowest.collaboration import Collaboration
from cowest.models import Metered
from cowest.records import Failure, FeedbackSummary, GradedExample
from cowest.stages._annotation import Annotated, all_failed
from cowest.stages._diagnostics import JudgedOutputs, NullControlRates
from cowest.stages._judge_effects import JudgeEffects
from cowest.stages._summary import Counts
from cowest.tasks import Task


class FeedbackResults:
    """Writes graded, pairs, failures and null_control to a folder; a context that ends early leaves nothing there.

    Args:
        out: the folder.
        collaboration: makes the prompts of pairs.
        task: whose metric the judge is compared with; None where it is not known.
        counts: of the summary.
        controlled: ids of the examples in the null control; None where there is none.
        samples: the drafts of a query among which the null control looks: K, or 2 where they end with its first pair.
    """

    def __init__(
        self,
        out: Path,
        collaboration: Collaboration,
        task: Task | None,
        counts: Counts,
        *,
        controlled: set[str] | None,
        samples: int,
    ) -> None:
        self._out = out
        self._collaboration = collaboration
        self._task = task
        self._counts = counts
        self._judged = None if task is None else JudgedOutputs(task)
        self._effects = JudgeEffects(task)
        self._rates = None if controlled is None else NullControlRates(controlled, samples)
        self._graded = runs.JsonlFile(out / "graded.jsonl")
        self._failures = runs.JsonlFile(out / "failures.jsonl")
        self._pairs = runs.JsonlFile(out / "pairs.jsonl")
        self._nulls = None if controlled is None else runs.JsonlFile(out / "null_control.jsonl")
        self._first_failure: Failure | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._graded, self._failures, self._pairs, self._nulls):
            if file is not None:
                file.discard()

    def add(self, annotated: Annotated) -> None:
        """Adds the outcome of the next example."""
        example, row, null = annotated
        self._counts.add(row)
        if isinstance(row, Failure):
            self._first_failure = self._first_failure or row
            self._failures.add(row)
            return
        self._graded.add(row)
        template = self._collaboration.format.template
        for pair in preferences.pairs(row, self._collaboration.prompts.render(template, query=example.query)):
            self._pairs.add(pair)
            if self._task is not None:
                self._counts.add_labels(example, pair, self._task, self._collaboration)
        if self._task is not None:
            self._counts.add_unparsed(example, row, self._task, self._collaboration)
        if not isinstance(row, GradedExample):
            return
        self._effects.add(example, row)
        if self._judged is not None:
            self._judged.add(example, row)
        if self._rates is not None and self._nulls is not None:
            self._rates.add(row, null)
            if null is not None:
                self._nulls.add(null)

    def publish(
        self, roles: Mapping[str, Metered], *, kind: str, max_pairs: int | None, seed: int, num_identical: int
    ) -> FeedbackSummary:
        """Puts the files in their places; returns the summary, which is to be written last.

        Args:
            kind, num_identical: see `Counts.summary`.
            max_pairs: number of pairs to keep, drawn with the seed; None keeps all.

        Raises:
            EndpointError: every example failed; the failures are listed all the same.
        """
        if self._first_failure is not None and not self._graded.num_rows:
            self._failures.publish()
            names = f" {str(self._out / 'failures.jsonl')!r} names the others."
            raise all_failed(self._first_failure, self._failures.num_rows, names)
        kept = _draw(self._pairs.num_rows, max_pairs, seed)
        self._graded.publish()
        self._failures.publish()
        self._pairs.publish(kept)
        if self._nulls is not None:
            self._nulls.publish()
        summary = self._counts.summary(
            roles,
            kind=kind,
            num_pairs=self._pairs.num_rows if kept is None else len(kept),
            num_identical=num_identical,
            null_control=None if self._rates is None else self._rates.result(),
            judge_agreement=None if self._judged is None else self._judged.result(),
        )
        return summary.model_copy(update=dict(self._effects.result()))


def _draw(num_pairs: int, count: int | None, seed: int) -> set[int] | None:
    if count is None or count >= num_pairs:
        return None
    return set(Random(f"pairs {seed}").sample(range(num_pairs), count))
