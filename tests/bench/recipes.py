"""A recipe of a small bench over a few rows of the lab."""

import json
from pathlib import Path
from typing import Any

from cowest.recipe import Recipe, make_recipe
from tests.bench import scripted

METHOD, KIND = "tests.bench.scripted:variants", "tests.bench.scripted:Annotator"


def recipe_for(folder: Path, data_of: dict[str, Path], **changes: Any) -> Recipe:
    """A small bench: the lab's weak model, scripted strong ones, and a method and a kind of feedback that fail."""
    training = {"epochs": 1, "batch_size": 8, "gradient_accumulation": 1, "learning_rate": 5e-3}
    data: dict[str, Any] = {
        "run": str(folder),
        "task": {"name": "cowest.lab.task:Formulary", **{split: str(data_of[split]) for split in data_of}},
        "weak": {
            "model": "local/cowest.lab:assets/weak",
            "sampling": {"max_tokens": 40},
            "options": {"dtype": "float64", "max_batch_size": 256},
        },
        "strong": {"model": "scripted/tests.bench.scripted:strong_reply"},
        "judge": {"model": "scripted/tests.worlds:judge_reply"},
        "sft": training,
        "align": training,
        "lora": {"r": 4, "alpha": 4},
        "feedback": {"queries": 8, "samples": 4},
        "prompts": "cowest.lab:prompts",
        "bench": {
            "methods": ["oracle", METHOD],
            "kinds": ["collaborative", "rlwf", "rlaif", KIND],
            "formats": ["direct_answer"],
            "pairs": [2],
            "align": ["rft"],
            "queries": [4],
            "strong": {"other": {"model": "scripted/tests.bench.scripted:other_reply"}},
            "strong_rows": {"other": ["self_refine", "strong_only"]},
            "probe": 3,
            "equal_pairs": False,
        },
    }
    return make_recipe(data | changes)


def write_rows(folder: Path) -> dict[str, Path]:
    """Writes the first rows of the lab's splits; the file of each split."""
    for split, count in (("train", 24), ("test", 6)):
        lines = [json.dumps(row) + "\n" for row in scripted.rows(split)[:count]]
        (folder / f"{split}.jsonl").write_text("".join(lines))
    return {split: folder / f"{split}.jsonl" for split in ("train", "test")}
