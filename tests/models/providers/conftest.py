"""What the tests of the providers share: a scripted endpoint."""

from collections.abc import Iterator

import pytest

from tests.models.providers.endpoint import Endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint
