"""A model that repeats a request after a failure that may pass: a busy server, a lost connection, a rate limit."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from cowest import progress
from cowest.errors import (
    BrokenReplyError,
    CompletionError,
    CowestError,
    EndpointError,
    RateLimitError,
    TransientEndpointError,
    UnreachableError,
    UnrecognizedReplyError,
)
from cowest.models.base import ChatModel
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class Retrying(WrapperModel):
    """Repeats a request after a failure that may pass, within bounds of attempts and of time.

    Waits grow exponentially, each drawn at random from the upper half so that many requests do not come back at once.
    A wait is never shorter than the endpoint asks for.

    A refusal because of a rate limit does not count as an attempt: the wrapped model's limits decide when the next call
    may start, and when an endpoint that refuses everything is given up.

    A broken reply (cut off, malformed, empty) is counted apart: it was probably paid for, and it says nothing of the
    endpoint's other replies. Only where the endpoint sends what is no reply at all, and answers nobody else meanwhile,
    is it the endpoint that has failed.

    Args:
        model: what is called; its calls wait for the endpoint's limits by themselves.
        repeats: the failures after which a request is repeated.
        max_attempts: calls for one request, the first included, without those that a rate limit refused and those
            that brought a broken reply.
        max_broken: broken replies to one request before it is given up.
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
        max_broken: int = 5,
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
        self._is_said_unreachable = False

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation, if need be at the nth attempt.

        Raises:
            TransientEndpointError: the bounds are reached, and no other request was answered meanwhile.
            EndpointError: likewise, and what the endpoint sent was no reply at all.
            CompletionError: the bounds are reached, though others were answered: it is this request.
        """
        attempt, num_broken, waited_s = 1, 0, 0.0
        num_answered_before = self._num_answered
        while True:
            try:
                completion = await self.model.complete(request)
            except self.repeats as error:
                if isinstance(error, RateLimitError):
                    # What the endpoint asks for is about this request; the limits decide about the others.
                    await self._sleep(error.retry_after_s or 0.0)
                    continue
                is_broken = isinstance(error, BrokenReplyError)
                num_broken += is_broken
                wait_s = self._wait_s(attempt, error)
                is_last = num_broken >= self.max_broken if is_broken else attempt - num_broken >= self.max_attempts
                if is_last or waited_s + wait_s > self.max_time_s:
                    others_are_answered = self._num_answered > num_answered_before
                    raise _given_up(error, attempt, waited_s, others_are_answered=others_are_answered) from error
                if isinstance(error, UnreachableError):
                    self._is_said_unreachable = True
                    progress.say(f"retrying: {error}", about=self.identity)
            else:
                self._num_answered += 1
                if self._is_said_unreachable:
                    self._is_said_unreachable = False
                    progress.say(f"{self.name} answers again", about=f"{self.identity} again")
                return completion
            await self._sleep(wait_s)
            waited_s += wait_s
            attempt += 1

    def _wait_s(self, attempt: int, error: CowestError) -> float:
        # Waiting mends an endpoint that is down, not a reply.
        doublings = 0 if isinstance(error, BrokenReplyError) else attempt - 1
        longest_s = min(self.max_wait_s, self.first_wait_s * 2.0**doublings)
        own_s = longest_s * (0.5 + 0.5 * self._random.random())
        if isinstance(error, TransientEndpointError) and error.retry_after_s is not None:
            return max(own_s, error.retry_after_s)
        return own_s


def _given_up(error: CowestError, attempt: int, waited_s: float, *, others_are_answered: bool) -> CowestError:
    said = f"Given up after {attempt} attempts and {waited_s:.0f} s of waiting; the last failed so: {error}"
    if isinstance(error, UnrecognizedReplyError) and not others_are_answered:
        return EndpointError(said)
    if isinstance(error, BrokenReplyError):
        return BrokenReplyError(said)
    if others_are_answered:
        return CompletionError(f"{said} Other requests were answered meanwhile.")
    return TransientEndpointError(said, error.retry_after_s if isinstance(error, TransientEndpointError) else None)
