"""OpenAI's files and batches interface: a file of requests goes up, files of replies and of errors come down."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Container
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from cowest.errors import (
    BrokenReplyError,
    CowestError,
    EndpointError,
    OversizedReplyError,
    TransientEndpointError,
)
from cowest.models import _batch_lines
from cowest.models._batch_state import BatchPage, BatchState, Named, Outcome
from cowest.models.base import ChatModel, Json
from cowest.models.limits import LONGEST_REFUSAL_S
from cowest.models.providers._reply_format import Form, parse, read
from cowest.types import ChatRequest, Completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse

Sleep = Callable[[float], Awaitable[None]]
Result = TypeVar("Result")

FIRST_POLL_S = 3.0
MAX_POLL_S = 60.0

_LABEL = "cowest"
_ENDED = {"completed", "expired", "cancelled", "failed"}
_TOO_MANY_QUEUED_TOKENS = "token_limit_exceeded"
_NO_SUCH_INTERFACE = {404, 405, 501}
# Failures in a row, about half an hour of them, or longer where the endpoint asks for it: waiting costs nothing, and
# the batch goes on meanwhile.
_MAX_FAILURES = 30
_MAX_PAGES = 100
# The clocks of the two sides may differ.
_CLOCK_MARGIN_S = 3600.0


@runtime_checkable
class BatchProvider(ChatModel, Protocol):
    """A provider whose endpoint has the interface."""

    @property
    def batch_where(self) -> str:
        """Model and address, for messages."""
        ...

    async def batch_client(self) -> "AsyncOpenAI":
        """The client of this event loop."""
        ...

    def batch_failure(self, error: Exception) -> CowestError:
        """What an error of that client is in this package's terms."""
        ...

    def batch_clean(self, message: str) -> str:
        """What the endpoint said, without the key and not too long."""
        ...

    def batch_body(self, request: ChatRequest) -> Json:
        """The request as JSON."""
        ...

    def batch_reply(self, row: Json, latency_s: float) -> Completion:
        """The completion in a line of the output, or the error that a single call would have raised."""
        ...


class QueueFullError(TransientEndpointError):
    """The endpoint took no batch because those under way, or this one alone, hold more tokens than the account may."""


class BatchInterface:
    """The calls of the interface, each repeated while its failure may pass.

    Args:
        sleep: for tests.
    """

    def __init__(self, provider: BatchProvider, sleep: Sleep = asyncio.sleep) -> None:
        self._provider = provider
        self._sleep = sleep

    async def submit(self, content: bytes, label: str, since: float) -> str:
        """Sends a file of requests and makes a batch of it; returns the batch's id.

        Raises:
            EndpointError: there is no such interface, or the key, the account or the file is refused; `may_be_billed`
                where there may be a batch all the same.
        """
        client = await self._provider.batch_client()
        upload = (f"{label}.jsonl", content, "application/jsonl")

        async def send() -> str:
            files = client.files.with_raw_response
            sent = await files.create(file=upload, purpose="batch", timeout=_batch_lines.TRANSFER_S)
            return self._read(Named, sent).id

        num_attempts = 0

        async def create(file_id: str) -> str:
            nonlocal num_attempts
            num_attempts += 1
            # The attempt before may have made the batch, and only its reply was lost.
            if num_attempts > 1 and (found := await self._look_for(client, label, since)) is not None:
                return found
            batch = await client.batches.with_raw_response.create(
                input_file_id=file_id, endpoint=_batch_lines.URL, completion_window="24h", metadata={_LABEL: label}
            )
            return self._read(Named, batch).id

        try:
            return await self._repeat(functools.partial(create, await self._repeat(send)))
        except CowestError as error:
            # A file alone costs nothing, and what ends the first attempt for good is a refusal.
            error.may_be_billed = num_attempts > 1
            raise

    async def find(self, label: str, since: float) -> str | None:
        """The id of the batch with that label, if one was made since then."""
        client = await self._provider.batch_client()
        return await self._repeat(lambda: self._look_for(client, label, since))

    async def wait(self, batch_id: str, show: "Callable[[BatchState], None]", wanted: Container[str]) -> Outcome:
        """Polls a batch until it has ended, less and less often, and downloads its results.

        Args:
            show: is called with each state.
            wanted: custom_ids; other lines are not kept.

        Raises:
            EndpointError: the endpoint does not know the batch or its files any more.
        """
        client = await self._provider.batch_client()

        async def state() -> BatchState:
            return self._read(BatchState, await client.batches.with_raw_response.retrieve(batch_id))

        wait_s = FIRST_POLL_S
        while True:
            batch = await self._repeat(state, of=batch_id)
            show(batch)
            if batch.status in _ENDED:
                break
            await self._sleep(wait_s)
            wait_s = min(1.5 * wait_s, MAX_POLL_S)
        lines: dict[str, Json] = {}
        # A completed batch came to every request, also to those without a line.
        lost_lines = batch.status == "completed"
        for file_id in filter(None, (batch.error_file_id, batch.output_file_id)):
            file = await self._repeat(functools.partial(_batch_lines.download, client, file_id, wanted), of=batch_id)
            lines |= file.by_id
            lost_lines = lost_lines or not file.is_whole
        return Outcome(batch.status, lines, lost_lines, batch.duration_s, self._refusal(batch))

    def _read(self, form: type[Form], response: "LegacyAPIResponse[Any]") -> Form:
        return read(form, parse(response.http_response.content), self._provider.batch_where)

    async def _look_for(self, client: "AsyncOpenAI", label: str, since: float) -> str | None:
        import openai
        from openai import Omit, omit

        after: str | Omit = omit
        try:
            for _ in range(_MAX_PAGES):
                listed = await client.batches.with_raw_response.list(limit=100, after=after)
                page = self._read(BatchPage, listed)
                for batch in page.data:
                    if batch.has(_LABEL, label):
                        return batch.id
                    if batch.created_at < since - _CLOCK_MARGIN_S:
                        return None
                if not page.data or page.has_more is not True:
                    return None
                after = page.data[-1].id
        except openai.APIStatusError as error:
            if error.status_code not in _NO_SUCH_INTERFACE:
                raise
        return None

    async def _repeat(self, call: Callable[[], Awaitable[Result]], of: str | None = None) -> Result:
        import httpx2
        import openai

        wait_s = FIRST_POLL_S
        num_failures = 0
        while True:
            try:
                return await call()
            except (openai.OpenAIError, httpx2.HTTPError) as error:  # the latter half way through a file
                # Without its cause: the request in it holds the key.
                failure = self._failure(error, of)
            except BrokenReplyError as error:
                failure = TransientEndpointError(str(error))
            except ValueError as error:
                failure = TransientEndpointError(f"{self._provider.batch_where} sent what is not JSON ({error}).")
            num_failures += 1
            if not isinstance(failure, TransientEndpointError) or num_failures == _MAX_FAILURES:
                raise failure
            await self._sleep(max(wait_s, min(LONGEST_REFUSAL_S, failure.retry_after_s or 0.0)))
            wait_s = min(2 * wait_s, MAX_POLL_S)

    def _failure(self, error: Exception, batch_id: str | None) -> CowestError:
        import openai

        where = self._provider.batch_where
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        failure = self._provider.batch_failure(error)
        if status == 404 and batch_id is not None:
            return EndpointError(
                f"{where} no longer knows the batch {batch_id}, or its files, with this key (404). Use the key it was "
                "sent with; or, to have its requests sent and paid for again, delete the lines of this batch from "
                "ledger.batches.jsonl beside the ledger."
            )
        if status in _NO_SUCH_INTERFACE:
            return EndpointError(
                f"{where} has no files and batches interface ({status}). Leave out `batch: true`, or check base_url, "
                "which usually ends in /v1."
            )
        if isinstance(failure, EndpointError):
            return failure
        if isinstance(failure, BrokenReplyError):
            return TransientEndpointError(str(failure))
        if isinstance(failure, OversizedReplyError):
            return EndpointError(str(failure))
        return EndpointError(f"{failure} It was the file of a batch that was refused.")

    def _refusal(self, batch: BatchState) -> CowestError | None:
        if batch.status != "failed":
            return None
        where = f"{self._provider.batch_where}, batch {batch.id}"
        errors = batch.reasons
        if not errors:
            return TransientEndpointError(f"{where}: it failed, and no reason is given.")
        message = self._provider.batch_clean("; ".join(f"{error.code}: {error.message}" for error in errors[:3]))
        if any(error.code == _TOO_MANY_QUEUED_TOKENS for error in errors):
            return QueueFullError(f"{where}: the account may not have so many tokens waiting ({message}).")
        return EndpointError(f"{where}: the endpoint refused its file ({message}).")
