"""One model at several endpoints: each call goes to the one that is least busy; one that fails is left out a while.

`Endpoints` is the provider that stands for all of them, below a budget that they share; `Balanced` stands above it and
chooses. Each endpoint has its own limits.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar

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
from cowest.models.base import Account, BaseChatModel, ChatModel, as_base_model
from cowest.models.circuit import Attempt, Circuit
from cowest.models.config import ModelConfig
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class Endpoint:
    """One of several endpoints of a model.

    Attributes:
        url: its address.
        provider: calls it, and it alone.
        circuit: whether it is left out.
        num_held: calls that wait for it or are in flight.
        num_chosen: calls it was given so far.
        failed_for_good: its last failure, if that was one which does not pass and nothing was answered since.
    """

    def __init__(self, url: str, provider: ChatModel) -> None:
        self.url = url
        self.provider = as_base_model(provider)
        self.circuit = Circuit()
        self.num_held = self.num_chosen = 0
        self.failed_for_good = False

    @property
    def num_waiting(self) -> int:
        """Calls that wait for its limits."""
        return self.num_held - self.circuit.num_sent


class _LeftOutMeanwhile(UnreachableError):
    """A call's endpoint was left out while the call waited for its turn there; nothing was sent."""


_chosen: ContextVar[tuple[Endpoint, Attempt]] = ContextVar("the endpoint that this call goes to")


class Endpoints(BaseChatModel):
    """All endpoints of one model as a provider; a call goes to the one that `Balanced` has chosen for it.

    Its identity names no address and no number: whichever endpoint answers, and however many there are, calls have the
    same keys in the ledger.

    Args:
        config: the section that lists them.
        providers: one for each of `config.at_each_endpoint`.
        clock: for tests.
    """

    def __init__(
        self, config: ModelConfig, providers: Sequence[ChatModel], *, clock: Callable[[], float] | None = None
    ) -> None:
        self.name = config.model
        self.identity = f"any endpoint|{config.model_name}|{json.dumps(config.options, sort_keys=True)}"
        self.each = [
            Endpoint(str(one.base_url), provider)
            for one, provider in zip(config.at_each_endpoint, providers, strict=True)
        ]
        self._clock = clock

    @property
    def account(self) -> Account:
        """That of the first; the calls to each count towards the limits of its own."""
        return self.each[0].provider.account

    async def complete(self, request: ChatRequest) -> Completion:
        """Sends one request to the endpoint that was chosen for it."""
        endpoint, attempt = _chosen.get()
        if endpoint.circuit.is_too_late(attempt):
            raise _LeftOutMeanwhile(f"{endpoint.url} was left out while a call waited for it.")
        endpoint.circuit.sent(attempt, self.now())
        return await endpoint.provider.complete(request)

    async def close(self) -> None:
        """Closes the connections to all of them."""
        await asyncio.gather(*(endpoint.provider.close() for endpoint in self.each))

    def now(self) -> float:
        """Seconds on the clock by which endpoints are left out."""
        return time.monotonic() if self._clock is None else self._clock()


class Balanced(WrapperModel):
    """Gives each call to the endpoint with the fewest calls that wait, or that are in flight, and to another one if
    that fails.

    An endpoint that cannot be reached, fails several times in a row, or is much slower than the others is left out
    (see `Circuit`); a call that failed there goes to the next endpoint at once. Where none is left the failure is
    raised as that of a single endpoint would be, for `Retrying` to wait and try again. While all are left out they are
    tried all the same, since nothing better is known.

    Args:
        endpoints: all of them.
        models: how each of them is called, in the same order, with its own limits; `endpoints` is below each.
    """

    def __init__(self, endpoints: Endpoints, models: Sequence[ChatModel]) -> None:
        super().__init__(endpoints)
        self._endpoints = endpoints
        self._models = dict(zip(endpoints.each, models, strict=True))
        self._lock = threading.Lock()

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation at one of the endpoints.

        Raises:
            TransientEndpointError: no endpoint can answer now.
            EndpointError: all of them failed for good.
            CompletionError: the request got no usable reply.
        """
        tried: set[Endpoint] = set()
        while True:
            endpoint, attempt = self._choose(tried)
            token = _chosen.set((endpoint, attempt))
            try:
                completion = await self._models[endpoint].complete(request)
            except _LeftOutMeanwhile:
                with self._lock:
                    endpoint.circuit.ended(attempt)
            except (EndpointError, CompletionError) as error:
                tried.add(endpoint)
                self._report(endpoint, attempt, error)
                if not _is_of_endpoint(error) or not self._is_another_left(tried):
                    raise self._as_of_all(error) from error
            except BaseException:
                with self._lock:
                    endpoint.circuit.ended(attempt)
                raise
            else:
                with self._lock:
                    endpoint.failed_for_good = False
                    endpoint.circuit.answered(attempt, self._endpoints.now(), self._others_s(endpoint))
                return completion
            finally:
                _chosen.reset(token)
                with self._lock:
                    endpoint.num_held -= 1

    def _choose(self, tried: Collection[Endpoint]) -> tuple[Endpoint, Attempt]:
        now, each = self._endpoints.now(), self._endpoints.each
        with self._lock:
            for endpoint in each:
                endpoint.circuit.leave_out_if_silent(now, self._others_s(endpoint))
            able = [endpoint for endpoint in each if endpoint.circuit.takes(now) and endpoint not in tried]
            if able:
                # Else calls that wait for an endpoint which takes few at once would hold back the others.
                chosen = min(able, key=lambda each: (each.num_waiting, each.num_held, each.num_chosen))
            else:
                chosen = min(each, key=lambda endpoint: (endpoint.circuit.until, endpoint.num_held))
            chosen.num_held += 1
            chosen.num_chosen += 1
            return chosen, chosen.circuit.begin(now)

    def _report(self, endpoint: Endpoint, attempt: Attempt, error: CowestError) -> None:
        with self._lock:
            if isinstance(error, RateLimitError) or not (_is_of_endpoint(error) or isinstance(error, BrokenReplyError)):
                endpoint.circuit.ended(attempt)
                return
            is_for_good = isinstance(error, EndpointError) and not isinstance(error, TransientEndpointError)
            endpoint.failed_for_good = is_for_good
            was_out = endpoint.circuit.is_out
            is_certain = is_for_good or isinstance(error, UnreachableError)
            endpoint.circuit.failed(attempt, self._endpoints.now(), is_certain=is_certain)
        if endpoint.circuit.is_out and not was_out:
            progress.say(f"left out for now: {error}", about=endpoint.url)

    def _is_another_left(self, tried: Collection[Endpoint]) -> bool:
        now = self._endpoints.now()
        return any(endpoint.circuit.takes(now) for endpoint in self._endpoints.each if endpoint not in tried)

    def _as_of_all(self, error: EndpointError | CompletionError) -> EndpointError | CompletionError:
        """A failure for good of one endpoint is one that may pass, as long as others may come back."""
        is_for_good = isinstance(error, EndpointError) and not isinstance(error, TransientEndpointError)
        if is_for_good and not all(endpoint.failed_for_good for endpoint in self._endpoints.each):
            return TransientEndpointError(str(error))
        return error

    def _others_s(self, endpoint: Endpoint) -> float | None:
        """How long an answer takes at the fastest other endpoint that is not left out."""
        known = [
            other.circuit.latency_s
            for other in self._endpoints.each
            if other is not endpoint and not other.circuit.is_out
        ]
        return min((latency_s for latency_s in known if latency_s is not None), default=None)


def _is_of_endpoint(error: CowestError) -> bool:
    """Whether a failure is the endpoint's and not the request's, so that another endpoint may answer."""
    return isinstance(error, EndpointError | UnrecognizedReplyError)
