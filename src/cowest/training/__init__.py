"""Thin adapters over TRL and PEFT. Importing this package imports no torch; its modules that train do."""

from cowest.training.lora import LoRAConfig
from cowest.training.settings import TrainingSettings
from cowest.training.trained import TrainedModel

__all__ = ["LoRAConfig", "TrainedModel", "TrainingSettings"]
