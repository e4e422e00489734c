"""What a run may have been billed for without a reply that says so: booked before each call, at its worst case.

A booking is in `cost_usd` of the call's row while that has no reply. A reply replaces it by what the call did cost. An
attempt that may have been billed without one moves its booking to the table `billed_failures`, where it stays.
"""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from cowest.ledger.keys import kept
from cowest.ledger.writer import BatchWriter
from cowest.types import ChatRequest

KEEP = """
INSERT INTO billed_failures SELECT run, role, cost_usd, started_at FROM calls
WHERE key = ? AND run = ? AND response IS NULL AND cost_usd IS NOT NULL
"""
"""Makes the booking of a call outlive its row."""

_BOOK = """
INSERT INTO calls (key, run, role, model, request_hash, request, started_at, cost_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, run) DO NOTHING
"""
_BOOK_AGAIN = "UPDATE calls SET started_at = ?, cost_usd = ? WHERE key = ? AND run = ? AND response IS NULL"
_END = "DELETE FROM calls WHERE key = ? AND run = ? AND response IS NULL"
_BOOKED = "SELECT cost_usd FROM calls WHERE key = ? AND run = ? AND response IS NULL"
_NOT_BOOKED = "SELECT key, request FROM calls WHERE response IS NULL AND cost_usd IS NULL AND run = ? AND role = ?"
_PRICE = "UPDATE calls SET cost_usd = ? WHERE key = ? AND run = ? AND response IS NULL AND cost_usd IS NULL"
_SUM = """
SELECT role, SUM(usd) FROM (
    SELECT role, cost_usd AS usd FROM billed_failures WHERE run IN (?1, ?1 || ?2)
    UNION ALL SELECT role, cost_usd FROM calls WHERE response IS NULL AND run = ?1
) WHERE usd > 0 GROUP BY role ORDER BY role
"""
# A run whose id was lost has what it may have spent under its old one booked for this name beside its new id.
_BEFORE = " before its id was lost"
_RUNS = "SELECT run FROM calls UNION SELECT run FROM billed_failures"
_COUNT_ALL = """
INSERT INTO billed_failures SELECT ?1 || ?2, role, TOTAL(cost_usd), ?3 FROM (
    SELECT role, cost_usd FROM calls UNION ALL SELECT role, cost_usd FROM billed_failures WHERE run NOT LIKE '%' || ?2
) GROUP BY role
"""


class Bookings:
    """The bookings of one run in a ledger.

    Args:
        run: whose they are.
        writer: of the ledger.
        reading: gives a connection to read through.
    """

    def __init__(
        self, run: str, writer: BatchWriter, reading: Callable[[], AbstractContextManager[sqlite3.Connection]]
    ) -> None:
        self._run = run
        self._writer = writer
        self._reading = reading

    async def book(self, key: str, role: str, model: str, request: ChatRequest, worst_usd: float) -> None:
        """Says that a call is about to be sent and what it may cost at most; returns when that is on disk.

        What is booked for an earlier attempt at the same call, which a kill has cut off, stays booked beside it.
        """
        values = (key, self._run, role, model, *kept(request), time.time(), worst_usd)

        def write(connection: sqlite3.Connection) -> None:
            if not connection.execute(_BOOK, values).rowcount:
                connection.execute(KEEP, (key, self._run))
                connection.execute(_BOOK_AGAIN, (*values[-2:], key, self._run))

        await self._writer.write(write)

    async def end(self, key: str, *, may_be_billed: bool) -> None:
        """Ends a call that got no reply; returns when that is on disk.

        Args:
            may_be_billed: whether the endpoint may have done the work: then what is booked for it stays booked.
        """

        def write(connection: sqlite3.Connection) -> None:
            if may_be_billed:
                connection.execute(KEEP, (key, self._run))
            connection.execute(_END, (key, self._run))

        await self._writer.write(write)

    def of_call(self, key: str) -> float | None:
        """USD booked for a call that has no reply; None where nothing is."""
        with self._reading() as reader:
            row = reader.execute(_BOOKED, (key, self._run)).fetchone()
        return None if row is None else row[0]

    def book_earlier(self, role: str, worst_usd: Callable[[ChatRequest], float]) -> None:
        """Books the calls that were sent while there was no budget and of which no reply was kept."""
        with self._reading() as reader:
            rows = reader.execute(_NOT_BOOKED, (self._run, role)).fetchall()
        prices = [(worst_usd(ChatRequest.model_validate(json.loads(asked))), key, self._run) for key, asked in rows]
        if prices:
            self._writer.write_now(lambda connection: connection.executemany(_PRICE, prices))

    def possibly_billed_usd(self) -> dict[str, float]:
        """By role, the most that calls of the run may have cost for which no reply says what they did cost.

        They are beside `Ledger.spend_usd`: calls in flight or cut off by a kill, failures that an endpoint may bill,
        replies without a cost. Calls are booked only where their model has a budget.
        """
        with self._reading() as reader:
            return dict(reader.execute(_SUM, (self._run, _BEFORE)).fetchall())

    def runs(self) -> set[str]:
        """The ids of all runs that the ledger knows."""
        with self._reading() as reader:
            return {run.removesuffix(_BEFORE) for (run,) in reader.execute(_RUNS)}

    def begin(self, *, counts_all: bool) -> None:
        """Makes the run known to the ledger; a second time does nothing.

        Args:
            counts_all: books what all runs in the file spent, since any of them may have been this one under an id
                that was lost.
        """
        if self._run in self.runs():
            return

        def write(connection: sqlite3.Connection) -> None:
            if counts_all:
                connection.execute(_COUNT_ALL, (self._run, _BEFORE, time.time()))
            connection.execute("INSERT INTO billed_failures VALUES (?, '', 0, ?)", (self._run, time.time()))

        self._writer.write_now(write)
