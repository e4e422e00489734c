"""Tiny models and data for training; stages' tests use the same builders."""

from pathlib import Path

import pytest

from tests.training import tiny


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("models") / "base")
