"""Thin adapters over TRL and PEFT."""

from cowest.training.lora import LoRAConfig
from cowest.training.settings import TrainingSettings
from cowest.training.trained import TrainedModel

__all__ = ["LoRAConfig", "TrainedModel", "TrainingSettings"]
