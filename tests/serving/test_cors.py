"""Web pages: named origins may call and read, others may not; "*" needs a key."""

from collections.abc import Iterator

import httpx2
import pytest
from pydantic import ValidationError

from cowest.errors import InputError
from cowest.serving_config import ServeConfig
from tests.serving.served import CLIENT, World, question, served

PAGE = "https://app.example"
KEY = "a-key-for-pages"


@pytest.fixture(scope="module")
def open_to_a_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(str(tmp_path_factory.mktemp("runs") / "pair"), key=KEY, cors_origins=[PAGE]) as world:
        yield world


def may_i(world: World, origin: str) -> httpx2.Response:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    return CLIENT.options(world.url + "/v1/chat/completions", headers=asked)


def test_a_named_page_may_ask_without_the_key_and_call_with_it(open_to_a_page: World) -> None:
    assert may_i(open_to_a_page, PAGE).headers["access-control-allow-origin"] == PAGE
    answer = open_to_a_page.post(question(), origin=PAGE, authorization=f"Bearer {KEY}")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_a_named_page_still_needs_the_key_and_can_read_that(open_to_a_page: World) -> None:
    answer = open_to_a_page.post(question(), origin=PAGE)
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_another_page_may_not(open_to_a_page: World) -> None:
    refused = may_i(open_to_a_page, "https://other.example")
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


def test_without_origins_no_page_is_named(world: World) -> None:
    assert "access-control-allow-origin" not in world.post(question(), origin=PAGE).headers


def test_all_pages_need_a_key(tmp_path: object) -> None:
    with pytest.raises(InputError, match="no key is set"), served(f"{tmp_path}/pair", cors_origins=["*"]):
        pass
    with served(f"{tmp_path}/pair", key=KEY, cors_origins=["*"]) as world:
        assert may_i(world, PAGE).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/page", "null", ""])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        ServeConfig(cors_origins=(origin,))
