"""Which requests were sent in which batch, on disk: a restart waits for a batch instead of paying for another."""

import json
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cowest.errors import CowestError, InputError


@dataclass
class Submission:
    """One batch, from the moment it is about to be sent.

    Attributes:
        label: a name of our own that the batch carries in its metadata, by which the endpoint's list shows it again.
        started_at: seconds since 1970, before the file was sent.
        batch_id: the endpoint's name for it; None until it is known.
    """

    label: str
    started_at: float
    batch_id: str | None = None


class BatchRecord:
    """An append-only file of JSON lines: first a label with its requests, then, in another line, the batch's id.

    The first line is on disk before anything is sent and the second before anyone waits. A process that ends between
    them leaves a label without an id; whether there is such a batch, only the endpoint knows. A third kind of line
    names requests whose reply came and cannot be used, so that a restart does not book them in this batch again.

    Args:
        path: the file; None keeps the record in memory only.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._submissions: dict[str, Submission] = {}
        self._by_request: dict[str, Submission] = {}
        self._ends_torn = False
        if path is not None and path.exists():
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError as error:
                raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
            self._ends_torn = bool(text) and not text.endswith("\n")
            for line in text.splitlines():
                self._read(line)

    def find(self, custom_id: str) -> Submission | None:
        """The last submission that a request was part of."""
        return self._by_request.get(custom_id)

    def intend(self, custom_ids: Iterable[str]) -> Submission:
        """Says that a batch of these requests is about to be sent; returns when that is on disk."""
        ids = list(custom_ids)
        submission = Submission(uuid.uuid4().hex, time.time())
        self._append({"label": submission.label, "started_at": submission.started_at, "requests": ids})
        self._keep(submission, ids)
        return submission

    def created(self, submission: Submission, batch_id: str) -> None:
        """Says under which id the endpoint knows the batch; returns when that is on disk."""
        submission.batch_id = batch_id
        self._append({"label": submission.label, "batch": batch_id})

    def forget(self, custom_ids: Iterable[str]) -> None:
        """Makes `find` know no batch for these requests any more; the file stays as it is."""
        for custom_id in custom_ids:
            self._by_request.pop(custom_id, None)

    def forget_for_good(self, custom_ids: Iterable[str]) -> None:
        """Says that nobody shall wait for the batch of these requests any more; returns when that is on disk."""
        ids = list(custom_ids)
        if ids:
            self._append({"forget": ids})
            self.forget(ids)

    def _keep(self, submission: Submission, ids: list[str]) -> None:
        self._submissions[submission.label] = submission
        self._by_request |= dict.fromkeys(ids, submission)

    def _read(self, line: str) -> None:
        # A line that a kill cut in two says nothing: of a first line nothing was sent yet, and the batch of a second
        # line is found again by its label.
        try:
            row = json.loads(line)
            if "batch" in row:
                self._submissions[row["label"]].batch_id = row["batch"]
            elif "forget" in row:
                self.forget(row["forget"])
            else:
                self._keep(Submission(row["label"], row["started_at"]), row["requests"])
        except (ValueError, KeyError, TypeError):
            return

    def _append(self, row: dict[str, object]) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(b"\n" * self._ends_torn + json.dumps(row).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._ends_torn = False
        except OSError as error:
            raise CowestError(
                f"{str(self.path)!r} cannot be written: {error.strerror or error}. It keeps which batches were "
                "sent. Check the disk's free space and that the folder may be written, then run the same command again."
            ) from error
