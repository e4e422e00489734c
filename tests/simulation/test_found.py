"""Everything that the simulation has found stays found."""

import pytest

from tests.simulation.found import FOUND
from tests.simulation.trial import try_whole


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_holds(name: str) -> None:
    assert try_whole(FOUND[name]).violation is None
