"""Recorded traffic (opt-in): queries, drafts and answers, one JSONL file a day, deleted by age.

The `jsonl` task reads a row once somebody has written the right answer into its `answer`.
"""

import datetime
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

from cowest.errors import InputError
from cowest.serving.answering import Reply
from cowest.serving.conversation import Call
from cowest.serving_config import TRAFFIC_FILE, first_kept_day


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


class TrafficRecord:
    """A folder of recorded traffic; only its owner can read the files.

    Args:
        folder: created if missing.
        keep_days: a day's file is deleted this many days after that day.
        today: the current date (UTC); replaced in tests.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, keep_days: int, today: Callable[[], datetime.date] = _today) -> None:
        self.folder = folder
        self._keep_days = keep_days
        self._today = today
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"serve.record.folder {str(folder)!r} cannot be made: {error.strerror}.") from error
        if not os.access(folder, os.W_OK):
            raise InputError(f"serve.record.folder {str(folder)!r} may not be written. Give another.")
        self.expire()

    def add(self, call: Call, reply: Reply) -> None:
        """Appends one answered call.

        Raises:
            OSError: the disk is full, or the folder is gone.
        """
        conversation, draft = call.conversation, reply.draft
        row = {
            "id": reply.id,
            "model": call.model,
            "question": conversation.query,
            "context": "\n\n".join(f"{turn.role}: {turn.content}" for turn in conversation.earlier),
            "draft": draft.completion.text if draft and draft.completion else None,
            "arm": reply.arm,
            "output": reply.text,
            "missing": reply.missing,
            "answer": None,
        }
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        path = self.folder / f"{self._today().isoformat()}.jsonl"
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            if os.write(file, line) < len(line):
                os.ftruncate(file, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)

    def expire(self) -> None:
        """Deletes files older than `keep_days`; other files in the folder are kept."""
        first_kept = first_kept_day(self._today(), self._keep_days)
        for path in self.folder.iterdir():
            named = TRAFFIC_FILE.fullmatch(path.name)
            if named and named[1] < first_kept:
                path.unlink(missing_ok=True)
