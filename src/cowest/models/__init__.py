"""Models: one protocol, the providers behind it, and the wrappers that pay once, retry, limit and count."""

from cowest.models.base import BaseChatModel, ChatModel
from cowest.models.config import ModelConfig, Price
from cowest.models.connection import Connection, connect, load_provider
from cowest.models.load import load_model
from cowest.models.metered import Metered
from cowest.models.opening import Openable, model, open_model
from cowest.models.spreading import spread
from cowest.models.wrapper import WrapperModel

__all__ = [
    "BaseChatModel",
    "ChatModel",
    "Connection",
    "Metered",
    "ModelConfig",
    "Openable",
    "Price",
    "WrapperModel",
    "connect",
    "load_model",
    "load_provider",
    "model",
    "open_model",
    "spread",
]
