"""What doctor and plan say of a cluster before a run."""

from pathlib import Path

import pytest

from cowest.cluster import Cluster
from cowest.doctor import FAULT, FINE
from cowest.doctor.cluster import check_cluster
from cowest.errors import InputError
from cowest.pipeline import Pipeline, context
from cowest.planning.cluster import cluster_of
from cowest.recipe import make_recipe
from tests.cluster.doubling import FakeEngines
from tests.cluster.fake_ranks import FakeRanks
from tests.recipes import recipe_of


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setattr(
        context, "open_cluster", lambda address: Cluster(address, FakeEngines("new", "old"), FakeRanks("new"))
    )
    return Pipeline(make_recipe(recipe_of(tmp_path, cluster="head:6379")))


def test_doctor_names_nodes_engines_and_versions_that_differ(pipeline: Pipeline) -> None:
    checks = list(check_cluster(pipeline))
    assert [check.mark for check in checks] == [FINE, FINE, FAULT]
    assert "head:6379 has 2 nodes, 2 CPUs, 0 GPUs: 2 engines (one a node)" in checks[0].line
    assert "address of old has python 3.0" in checks[2].line


def test_plan_says_engines(pipeline: Pipeline) -> None:
    assert cluster_of(pipeline) == (
        "2 engines (one a node) of the cluster at head:6379, which has 2 nodes, 2 CPUs, 0 GPUs"
    )


def test_cluster_that_cannot_be_used_is_a_fault_and_no_end_of_planning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: str) -> Cluster:
        raise InputError("nothing answers there")

    monkeypatch.setattr(context, "open_cluster", refuse)
    pipeline = Pipeline(make_recipe(recipe_of(tmp_path, cluster="head:6379")))
    assert [(check.mark, check.line) for check in check_cluster(pipeline)] == [(FAULT, "nothing answers there")]
    assert "nothing answers there" in (cluster_of(pipeline) or "")


def test_without_the_key_there_is_nothing_to_say(tmp_path: Path) -> None:
    pipeline = Pipeline(make_recipe(recipe_of(tmp_path)))
    assert (list(check_cluster(pipeline)), cluster_of(pipeline)) == ([], None)
