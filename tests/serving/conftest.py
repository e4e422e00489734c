"""One served pair for the tests that need nothing special of the recipe."""

from collections.abc import Iterator

import pytest

from tests.serving.served import DRAFT, World, served


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(str(tmp_path_factory.mktemp("runs") / "pair")) as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    assert shared.comes_to("cowest_in_flight", 0)
    shared.strong.reset()
    shared.say(lambda request: DRAFT)
    shared.weak.requests.clear()
    return shared
