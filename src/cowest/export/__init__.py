"""A finished run for others to use: the weak model as safetensors, the pairs as Parquet, and a card for each."""

from cowest.export.folder import write_folder
from cowest.export.hub import HUB, publish

__all__ = ["HUB", "publish", "write_folder"]
