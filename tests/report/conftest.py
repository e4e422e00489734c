from pathlib import Path

import pytest

from tests.report.sample import write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "ifqa")
