"""What a finished training says of itself, and what is no finished training."""

from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.training.trained import TrainedModel


@pytest.mark.parametrize("content", ["{nope", "[]", "{}", "null", '{"adapter": 3, "base": 4}'])
def test_a_broken_marker_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "training.json").write_text(content)
    with pytest.raises(InputError, match="Delete it and run the stage"):
        TrainedModel.read(tmp_path)


def test_a_whole_marker_names_the_adapter(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text('{"adapter": ".", "base": "b"}')
    assert TrainedModel.read(tmp_path).model == f"local/{tmp_path}"
