import asyncio

import pytest

from cowest.models.call_status import before_sending, watch_call


async def test_a_call_is_unsent_that_ends_before_it_is_sent() -> None:
    with watch_call() as call:
        with pytest.raises(asyncio.CancelledError), before_sending():
            raise asyncio.CancelledError
        assert call.is_unsent
    with watch_call() as call:
        with before_sending():
            pass
        with pytest.raises(ValueError, match="sent"):
            raise ValueError("sent")
    assert not call.is_unsent


async def test_calls_of_several_tasks_are_told_apart() -> None:
    async def fails(before: bool) -> bool:
        with watch_call() as call:
            await asyncio.sleep(0)
            try:
                if before:
                    with before_sending():
                        await asyncio.sleep(0)
                        raise ValueError
            except ValueError:
                pass
            return call.is_unsent

    assert await asyncio.gather(*(fails(before) for before in (True, False, True))) == [True, False, True]


def test_nobody_needs_to_watch() -> None:
    with pytest.raises(ValueError, match="x"), before_sending():
        raise ValueError("x")
