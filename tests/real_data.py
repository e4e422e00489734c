"""Where the published data files lie, for tests that read them; they are no part of the project."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("COWEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

needs_data = pytest.mark.skipif(
    not DATA.is_dir(),
    reason=f"needs the published data files, but there is no folder {DATA}; COWEST_DATA may name another",
)
