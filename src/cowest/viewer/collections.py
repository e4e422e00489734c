"""What a run's folder holds to browse: the evaluation and each round's feedback, with the files each is read from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cowest import runs
from cowest.method_names import STRONG_ONLY, WEAK_ONLY, pair_of
from cowest.viewer.rows import Rows
from cowest.viewer.summaries import Item, evaluation_item, feedback_item


@dataclass(frozen=True)
class Collection:
    """Examples that belong together: those of the evaluation, or of one round's feedback.

    Attributes:
        name: "evaluation" or "round-N", as addresses carry it.
        sources: files by name; the first gives the order of the examples.
        id_field: the name of an example's id in those files.
        summarise: makes an item of the rows of one example.
        growing: whether a stage still writes to the first file; its last line may be incomplete.
    """

    name: str
    title: str
    sources: dict[str, Path]
    id_field: str
    summarise: Callable[[Rows], Item]
    growing: bool = False

    @property
    def version(self) -> tuple[tuple[str, int, int], ...]:
        """Name, size and time of each file, which change with it."""
        found = []
        for name, path in self.sources.items():
            try:
                facts = path.stat()
            except OSError:  # replaced or removed since it was listed
                continue
            found.append((name, facts.st_size, facts.st_mtime_ns))
        return tuple(found)


def find(folder: Path) -> Iterator[Collection]:
    """The collections that a run's folder holds so far, the evaluation first, then the rounds from the last."""
    run = runs.RunFolder(folder)
    found = sorted((run.evaluate / "predictions").glob("*.jsonl"))
    predictions = {path.stem: path for path in found if path.is_file()}  # not a pipe, at which reading would wait
    if predictions:
        order = {name: predictions[name] for name in _by_importance(list(predictions))}
        yield Collection("evaluation", "Evaluation", order, "id", evaluation_item)
    for number in reversed(run.rounds_begun()):
        names = ("graded", "pairs", "failures", "null_control")
        files = {name: run.feedback(number) / f"{name}.jsonl" for name in names}
        so_far = run.feedback(number) / runs.GRADED_SO_FAR
        growing = not files["graded"].is_file() and so_far.is_file()
        if growing:
            files = {"graded": so_far}
        files = {name: path for name, path in files.items() if path.is_file()}
        if files:
            title = f"Feedback, round {number}"
            yield Collection(f"round-{number}", title, files, "example_id", feedback_item, growing)


def _by_importance(methods: list[str]) -> list[str]:
    first = [name for name in (pair_of(methods), STRONG_ONLY, WEAK_ONLY) if name in methods]
    return [*first, *(name for name in methods if name not in first)]
