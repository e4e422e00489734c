"""What a model is to the rest of the package: something that completes one conversation at a time."""

from typing import Protocol, runtime_checkable

from cowest.types import ChatRequest, Completion


@runtime_checkable
class ChatModel(Protocol):
    """Anything that completes conversations: a provider, or a wrapper around another ChatModel.

    Callers send many requests at once and wait for each; batching, pacing and retrying happen below this line.
    """

    name: str
    """As in a recipe, e.g. "openai/gpt-4.1"."""

    identity: str
    """What decides the reply besides the request: endpoint and model, or a hash of the weights. Part of ledger keys."""

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation.

        Raises:
            CompletionError: this request got no usable reply; others may.
            TransientEndpointError: the endpoint failed in a way that may pass.
            EndpointError: the endpoint failed for good.
        """
        ...

    async def close(self) -> None:
        """Releases connections and memory; the next request takes them again."""
        ...
