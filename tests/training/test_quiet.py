import contextlib
import logging
import warnings

import huggingface_hub.constants
import pytest
from transformers.utils import logging as transformers_logging

from cowest.training.quiet import quiet


def test_everything_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", False)
    transformers_logging.enable_progress_bar()
    level = logging.getLogger("transformers").level
    with contextlib.suppress(RuntimeError), quiet():
        assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
        assert not transformers_logging.is_progress_bar_enabled()
        assert logging.getLogger("trl").level == logging.ERROR
        raise RuntimeError
    assert not huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
    assert transformers_logging.is_progress_bar_enabled()
    assert logging.getLogger("transformers").level == level


def test_warnings_are_heard_again_afterwards() -> None:
    with quiet():
        warnings.warn("not heard", UserWarning, stacklevel=1)
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)
