"""Notices and numbers shown on every open bar, for code that works below the stage that owns the bar."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

_lock = threading.Lock()
_notices: Counter[str] = Counter()
_statuses: list["Status"] = []


@contextlib.contextmanager
def notice(text: str) -> Iterator[None]:
    """Shows `text` on every bar while at least one caller is inside, such as "waiting on the limit"."""
    with _lock:
        _notices[text] += 1
    try:
        yield
    finally:
        with _lock:
            _notices[text] -= 1


class Status:
    """Named numbers shown on every bar. Numbers of the same name from several statuses are added up."""

    def __init__(self) -> None:
        self._fields: dict[str, float] = {}

    def show(self, **fields: float) -> None:
        """Shows these numbers in place of the ones before."""
        with _lock:
            self._fields = fields
            if self not in _statuses:
                _statuses.append(self)

    def hide(self) -> None:
        """Shows none."""
        with _lock:
            if self in _statuses:
                _statuses.remove(self)


def shown_notices() -> list[str]:
    """The notices that somebody is inside of."""
    with _lock:
        return [text for text, count in _notices.items() if count > 0]


def shown_fields() -> dict[str, float]:
    """The numbers of all statuses."""
    total: dict[str, float] = {}
    with _lock:
        for status in _statuses:
            for name, value in status._fields.items():
                total[name] = total.get(name, 0) + value
    return total
