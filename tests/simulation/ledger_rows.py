"""What a ledger holds at the end of a process: replies kept and calls left open, by conversation."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation import world as said
from tests.simulation.server import digest_of


@dataclass
class LedgerRows:
    """Numbers of the strong model's rows."""

    kept: Counter[str] = field(default_factory=Counter)
    left_open: Counter[str] = field(default_factory=Counter)


def rows_of(path: Path) -> LedgerRows:
    """The rows of a ledger; none where the process ended before it was made."""
    rows = LedgerRows()
    if not path.exists():
        return rows
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT request, response IS NOT NULL FROM calls WHERE role != 'weak'").fetchall()
    except sqlite3.OperationalError:  # it has no tables yet
        found = []
    finally:
        connection.close()
    for request, is_kept in found:
        messages = json.loads(request)["messages"]
        digest = digest_of([each | {"content": said.as_sent(each["content"])} for each in messages])
        (rows.kept if is_kept else rows.left_open)[digest] += 1
    return rows
