"""A model that repeats a request after a failure that may pass: a busy server, a lost connection, a rate limit."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from cowest.errors import BrokenReplyError, CompletionError, CowestError, RateLimitError, TransientEndpointError
from cowest.models.base import ChatModel
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class Retrying(WrapperModel):
    """Repeats a request after a failure that may pass, within bounds of attempts and of time.

    Waits grow exponentially, each drawn at random from the upper half so that many requests do not come back at once.
    A wait is never shorter than the endpoint asks for.

    A refusal because of a rate limit does not count as an attempt: the wrapped model's limits decide when the next call
    may start, and when an endpoint that refuses everything is given up.

    Args:
        model: what is called; its calls wait for the endpoint's limits by themselves.
        repeats: the failures after which a request is repeated.
        max_attempts: calls for one request, the first included, without those that a rate limit refused.
        max_broken: broken replies to one request before it is given up: they were probably paid for.
        max_time_s: total wait of one request.
        first_wait_s, max_wait_s: bounds of the waits this class chooses itself.
        seed: of the random part.
        sleep: replaced in tests.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        repeats: tuple[type[CowestError], ...] = (BrokenReplyError, TransientEndpointError),
        max_attempts: int = 8,
        max_broken: int = 3,
        max_time_s: float = 300.0,
        first_wait_s: float = 0.5,
        max_wait_s: float = 60.0,
        seed: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(model)
        self.repeats = repeats
        self.max_attempts = max_attempts
        self.max_broken = max_broken
        self.max_time_s = max_time_s
        self.first_wait_s = first_wait_s
        self.max_wait_s = max_wait_s
        self._random = random.Random(seed)
        self._sleep = sleep
        self._num_answered = 0

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation, if need be at the nth attempt.

        Raises:
            TransientEndpointError: the bounds are reached, and no other request was answered meanwhile.
            CompletionError: the bounds are reached, though others were answered: it is this request.
        """
        attempt, num_broken, waited_s = 1, 0, 0.0
        num_answered_before = self._num_answered
        while True:
            try:
                completion = await self.model.complete(request)
            except RateLimitError as error:
                # What the endpoint asks for is about this request; the limits decide about the others.
                await self._sleep(error.retry_after_s or 0.0)
                continue
            except self.repeats as error:
                num_broken += isinstance(error, BrokenReplyError)
                wait_s = self._wait_s(attempt, error)
                is_over = attempt >= self.max_attempts or waited_s + wait_s > self.max_time_s
                if is_over or num_broken >= self.max_broken:
                    given_up = f"Given up after {attempt} attempts and {waited_s:.0f} s of waiting; the last failed so:"
                    if isinstance(error, BrokenReplyError):
                        raise BrokenReplyError(f"{given_up} {error}") from error
                    if self._num_answered > num_answered_before:
                        raise CompletionError(f"{given_up} {error} Other requests were answered meanwhile.") from error
                    retry_after_s = error.retry_after_s if isinstance(error, TransientEndpointError) else None
                    raise TransientEndpointError(f"{given_up} {error}", retry_after_s) from error
            else:
                self._num_answered += 1
                return completion
            await self._sleep(wait_s)
            waited_s += wait_s
            attempt += 1

    def _wait_s(self, attempt: int, error: CowestError) -> float:
        longest_s = min(self.max_wait_s, self.first_wait_s * 2.0 ** (attempt - 1))
        own_s = longest_s * (0.5 + 0.5 * self._random.random())
        if isinstance(error, TransientEndpointError) and error.retry_after_s is not None:
            return max(own_s, error.retry_after_s)
        return own_s
