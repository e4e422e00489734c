"""Replies found in a ledger by the key of their call: one by one, or all that are asked for at the same moment."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from cowest.errors import CowestError
from cowest.ledger.opening import damaged
from cowest.types import Completion, Usage

_AT_ONCE = 512
# Where two runs paid for one sample at the same time, the reply that was kept first is the one for both.
_ONE = """
SELECT response, usage, cost_usd, latency_s FROM calls WHERE key = ? AND response IS NOT NULL
ORDER BY finished_at, run LIMIT 1
"""
_ALL = """
SELECT key, response, usage, cost_usd, latency_s FROM calls
WHERE key IN (SELECT value FROM json_each(?)) AND response IS NOT NULL ORDER BY finished_at DESC, run DESC
"""

_Asked = list[tuple[str, "asyncio.Future[Completion | None]"]]


class Lookups:
    """Reads replies.

    Args:
        path: of the ledger, for errors.
        reading: gives a connection to read through.
    """

    def __init__(self, path: Path, reading: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._path = path
        self._reading = reading
        self._asked: WeakKeyDictionary[asyncio.AbstractEventLoop, _Asked] = WeakKeyDictionary()

    def one(self, key: str) -> Completion | None:
        """The reply under a key; None where there is none.

        Raises:
            CowestError: the file is damaged.
        """
        with self._reading() as reader:
            row = reader.execute(_ONE, (key,)).fetchone()
        return None if row is None else self._completion(key, *row)

    def all(self, keys: Sequence[str]) -> dict[str, Completion]:
        """The replies by key, of those keys that have one.

        Raises:
            CowestError: the file is damaged.
        """
        with self._reading() as reader:
            rows = reader.execute(_ALL, (json.dumps(keys),)).fetchall()
        # The last row of a key is the reply that was kept first.
        return {key: self._completion(key, *row) for key, row in {row[0]: row[1:] for row in rows}.items()}

    async def soon(self, key: str) -> Completion | None:
        """The reply under `key`; those asked for in one turn of the event loop are looked up together.

        Raises:
            CowestError: as `all`.
        """
        loop = asyncio.get_running_loop()
        asked = self._asked.setdefault(loop, [])
        if not asked:
            loop.call_soon(self._answer, asked)
        found: asyncio.Future[Completion | None] = loop.create_future()
        asked.append((key, found))
        return await found

    def _answer(self, asked: _Asked) -> None:
        waiting = asked[:]
        asked.clear()
        for start in range(0, len(waiting), _AT_ONCE):
            part = [(key, found) for key, found in waiting[start : start + _AT_ONCE] if not found.done()]
            keys = [key for key, _ in part]
            try:
                # The statement for many takes half as long again for a single key.
                replies: Mapping[str, Completion | None]
                replies = {keys[0]: self.one(keys[0])} if len(keys) == 1 else self.all(keys)
            except CowestError as error:
                for _, found in part:
                    found.set_exception(error)
                continue
            for key, found in part:
                found.set_result(replies.get(key))

    def _completion(self, key: str, response: str, usage: str, cost_usd: float | None, latency_s: float) -> Completion:
        try:
            return completion_of(response, usage, cost_usd, latency_s)
        except ValueError as error:
            raise CowestError(damaged(self._path, f"the reply under {key[:12]}… is none ({error})")) from error


def completion_of(response: str, usage: str, cost_usd: float | None, latency_s: float) -> Completion:
    """The reply that a row keeps.

    Raises:
        ValueError: the row holds something else.
    """
    try:
        fields, counts = json.loads(response), json.loads(usage)
        return Completion(**fields, usage=Usage(**counts), cost_usd=cost_usd, latency_s=latency_s)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    except ValidationError as error:
        raise ValueError(str(error).splitlines()[-1]) from error
