"""Whether the current call was sent: a budget knows, and a ledger takes back the intent of a call that was not."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class CallStatus:
    """What became of one call.

    Attributes:
        is_unsent: whether what ended it came before it was sent, so that it cannot have been billed.
    """

    is_unsent: bool = False


# Not a field of the exception: what ends a call before it is sent may be a cancellation, and a subclass of that is not
# taken for one everywhere (asyncio.timeout before Python 3.13).
_current: ContextVar[CallStatus | None] = ContextVar("status of the current call", default=None)


@contextlib.contextmanager
def watch_call() -> Iterator[CallStatus]:
    """The status of the call that is made inside, in the same task."""
    status = CallStatus()
    token = _current.set(status)
    try:
        yield status
    finally:
        _current.reset(token)


@contextlib.contextmanager
def before_sending() -> Iterator[None]:
    """Marks the current call as unsent if it ends inside."""
    try:
        yield
    except BaseException:
        if (status := _current.get()) is not None:
            status.is_unsent = True
        raise
