"""Recipes of small runs: sums, scripted models that gamble, and a stage of one run in its folder."""

from pathlib import Path
from typing import Any

from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.report import collect


def recipe_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """A recipe of sums and scripted models; `feedback__samples=8` changes a key of a section."""
    data: dict[str, Any] = {
        "run": str(folder),
        "task": {"name": "tests.worlds:Sums", "train": "20", "test": "12", "overlap": "keep"},
        "weak": {"model": "scripted/tests.worlds:weak_reply"},
        "strong": {"model": "scripted/tests.worlds:strong_reply"},
        "judge": {"name": "answer_match"},
        "feedback": {"queries": 10},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        section = data
        for key in parents:
            section = section.setdefault(key, {})
        section[last] = value
    return data


def run(folder: Path, stage: str = "feedback", *, force: bool = False, **changes: Any) -> list[str]:
    """Runs the first round's feedback, the evaluation or all of such a recipe; the lines it said."""
    said: list[str] = []
    with Pipeline(make_recipe(recipe_of(folder, **changes)), say=said.append) as pipeline:
        if stage == "feedback":
            pipeline.feedback(1)
        elif stage == "run":
            pipeline.run(force=force)
        else:
            pipeline.evaluate(force=force)
    return said


def paid_calls(folder: Path) -> int:
    """How many calls a run has paid for, over all roles."""
    return sum((collect(folder).calls or {}).values())


def priced(**settings: Any) -> dict[str, Any]:
    """A model with a price; nobody listens at its address."""
    return {
        "model": "openai/gpt-x",
        "base_url": "http://127.0.0.1:9/v1",
        "price": {"input": 2.0, "output": 10.0},
    } | settings
