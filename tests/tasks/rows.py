"""Reading rows as a task does."""

import json
from pathlib import Path
from typing import Any

from cowest.tasks import load_task
from cowest.types import Example


def read_rows_as(task: str, folder: Path, *rows: Any, **options: Any) -> list[Example]:
    """The examples that the task reads from a file with these rows, one a line."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(load_task(task, **options).read(str(path)))
