"""A model around another one, which changes how it is called and nothing else."""

from cowest.models.base import Account, BaseChatModel, ChatModel, HeaderListener, as_base_model
from cowest.types import ChatRequest, Completion


class WrapperModel(BaseChatModel):
    """Passes everything on; a subclass overrides what it changes, usually `complete`.

    Args:
        model: what is called.

    Attributes:
        model: likewise, with the defaults of BaseChatModel where it is a plain ChatModel.
    """

    def __init__(self, model: ChatModel) -> None:
        self.model = as_base_model(model)
        self.name = model.name
        self.identity = model.identity

    @property
    def in_process(self) -> bool:
        """As the model says."""
        return self.model.in_process

    @property
    def account(self) -> Account:
        """As the model says."""
        return self.model.account

    def listen_to_headers(self, listener: HeaderListener) -> None:
        """Passes the listener on."""
        self.model.listen_to_headers(listener)

    async def listed_models(self) -> list[str] | None:
        """As the model says."""
        return await self.model.listed_models()

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation."""
        return await self.model.complete(request)

    async def close(self) -> None:
        """Closes the model."""
        await self.model.close()
