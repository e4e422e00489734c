import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from cowest.cluster import open_cluster
from cowest.cluster.reaching import is_loopback, refuse_unwritable, require_reachable
from cowest.errors import InputError
from cowest.recipe import make_recipe
from tests.recipes import recipe_of


def test_cluster_without_ray_is_one_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"cowest\[cluster\]"):
        open_cluster("auto")


@pytest.mark.parametrize("cluster", [None, "auto", "10.0.0.1:6379", "head.example:6379", "[::1]:6379"])
def test_recipe_names_a_cluster(tmp_path: Path, cluster: Any) -> None:
    assert make_recipe(recipe_of(tmp_path, cluster=cluster)).cluster == cluster


@pytest.mark.parametrize("cluster", ["ray://10.0.0.1:10001", "10.0.0.1", "local", ""])
def test_recipe_with_something_else_is_refused(tmp_path: Path, cluster: str) -> None:
    with pytest.raises(InputError, match=r"cluster.*auto, or HOST:PORT"):
        make_recipe(recipe_of(tmp_path, cluster=cluster))


def test_only_loopback_needs_no_token() -> None:
    addresses = ("127.0.0.1:6379", "[::1]:6379", "localhost:6379", "10.0.0.1:6379", "head:6379", "0.0.0.0:6379")
    assert [is_loopback(address) for address in addresses] == [True, True, True, False, False, False]


def test_port_where_nothing_listens() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        require_reachable(address)
    with pytest.raises(InputError, match=rf"{address}.*ray start --head"):
        require_reachable(address)


def test_folder_of_another_user(tmp_path: Path) -> None:
    refuse_unwritable(tmp_path / "not there yet")
    refuse_unwritable(tmp_path)
    (tmp_path / "ray").touch()
    with pytest.raises(InputError, match=r"another user.*RAY_TMPDIR"):
        refuse_unwritable(tmp_path / "ray")
