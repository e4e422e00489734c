"""Exports a finished run for others: the weak model as safetensors, the pairs as Parquet, and a card for each."""

from cowest.export.folder import write_folder
from cowest.export.hub import HUB, publish

__all__ = ["HUB", "publish", "write_folder"]
