"""Silences the progress bars, warnings and telemetry of the training libraries."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

_LOGGERS = ("transformers", "trl", "peft", "accelerate", "datasets", "torch.distributed")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences warnings and progress bars of transformers, TRL and PEFT, and TRL's telemetry, inside the context."""
    import huggingface_hub.constants
    from transformers.utils import logging as transformers_logging

    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    bars = transformers_logging.is_progress_bar_enabled()
    reports_off = huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        with warnings.catch_warnings():
            for category in (UserWarning, FutureWarning, DeprecationWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = reports_off
        if bars:
            transformers_logging.enable_progress_bar()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
