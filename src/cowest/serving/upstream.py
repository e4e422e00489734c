"""What the server needs of a model: to answer requests in OpenAI's format, at once or in chunks."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from cowest.serving.wire import Json


class Upstream(Protocol):
    """A model that answers requests in OpenAI's format."""

    async def open(self) -> None:
        """Prepares what the first request should not wait for; calls nothing."""

    async def close(self) -> None:
        """Releases connections and memory."""

    def check(self, fields: Json) -> None:
        """Checks a request's fields before anything is called.

        Raises:
            APIError: a field cannot be honoured.
        """

    async def complete(self, messages: Sequence[Json], fields: Json) -> Json:
        """The whole reply.

        Raises:
            UpstreamError: the model did not answer.
            APIError: it refuses this request.
        """
        ...

    def stream(self, messages: Sequence[Json], fields: Json) -> AsyncGenerator[Json]:
        """The reply chunk by chunk. It ends without an error only if every choice is complete.

        Raises:
            UpstreamError, APIError: as `complete`, also after some chunks.
        """
        ...
