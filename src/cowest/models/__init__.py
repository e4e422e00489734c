"""Models: one protocol, the providers behind it, and the wrappers that pay once, retry, limit and count."""

from cowest.models.base import ChatModel
from cowest.models.config import ModelConfig, Price
from cowest.models.load import load_model
from cowest.models.metered import Metered
from cowest.models.opening import Openable, model, open_model

__all__ = ["ChatModel", "Metered", "ModelConfig", "Openable", "Price", "load_model", "model", "open_model"]
