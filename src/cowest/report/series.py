"""What a page draws from a run's longer files: training curves, and how the gains of drafts are spread."""

from collections import Counter
from pathlib import Path

from cowest import runs

MAX_POINTS = 120
"""A curve of more steps is drawn as the means of as many stretches."""

Points = list[tuple[float, float]]

_MEASURES = {"loss": "loss", "rewards/accuracies": "chosen ranked above rejected"}


def curves(metrics: Path) -> dict[str, Points]:
    """The curves of one training by title, each of (step, value).

    Raises:
        InputError, ValueError, TypeError: the file is broken.
    """
    found: dict[str, Points] = {}
    if metrics.is_file():
        for row in runs.read_jsonl(metrics):
            for name, title in _MEASURES.items():
                if row.get(name) is not None:
                    found.setdefault(title, []).append((float(row["step"]), float(row[name])))
    return {title: _thinned(points) for title, points in found.items() if len(points) > 1}


def gains(graded: Path) -> dict[int, int]:
    """How many drafts have each gain, from the least to the most; drafts without one are not in it.

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


def _thinned(points: Points) -> Points:
    size = -(-len(points) // MAX_POINTS)
    stretches = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(x for x, _ in stretch) / len(stretch), sum(y for _, y in stretch) / len(stretch)) for stretch in stretches
    ]
