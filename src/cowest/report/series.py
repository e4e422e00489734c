"""Data for the page's plots from a run's longer files: training curves, and the distribution of drafts' gains."""

from collections import Counter
from pathlib import Path

from cowest import runs

MAX_POINTS = 120
"""A longer curve is averaged into this many bins."""

Points = list[tuple[float, float]]

_MEASURES = {"loss": "loss", "rewards/accuracies": "chosen ranked above rejected"}


def curves(metrics: Path) -> dict[str, Points]:
    """The curves of one training by title, as (step, value) points.

    Raises:
        InputError, ValueError, TypeError: the file is broken.
    """
    by_title: dict[str, Points] = {}
    if metrics.is_file():
        for row in runs.read_jsonl(metrics):
            for name, title in _MEASURES.items():
                if row.get(name) is not None:
                    by_title.setdefault(title, []).append((float(row["step"]), float(row[name])))
    return {title: _binned(points) for title, points in by_title.items() if len(points) > 1}


def gains(graded: Path) -> dict[int, int]:
    """The number of drafts by gain, in ascending order; drafts without a gain are left out.

    Raises:
        InputError, ValueError, TypeError, AttributeError: the file is broken.
    """
    if not graded.is_file():
        return {}
    counts = Counter(
        int(draft["gain"])
        for row in runs.read_jsonl(graded)
        for draft in row.get("drafts") or ()
        if draft.get("gain") is not None
    )
    return {gain: counts[gain] for gain in range(min(counts), max(counts) + 1)} if counts else {}


def _binned(points: Points) -> Points:
    size = -(-len(points) // MAX_POINTS)
    bins = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in members) / len(members), sum(y for _, y in members) / len(members)) for members in bins]
