"""Feedback at scale in virtual time: the endpoints' limits are used, and nothing else holds the calls back."""

from pathlib import Path

from tests.virtual_feedback import Setting, run
from tests.worlds import tree


def test_the_limit_is_reached_whatever_the_latency(tmp_path: Path) -> None:
    found = run(Setting(num_queries=200, samples=1, limit_per_s=30.0, latency_s=5.0), tmp_path)
    first = found.started[0]
    assert found.refused == 0
    assert found.per_s(first + 1.0, first + 16.0) >= 0.95 * 30.0
    assert found.most_in_flight > 100  # 64 would be 13 calls a second


def test_several_endpoints_share_the_calls_and_change_no_byte_of_the_results(tmp_path: Path) -> None:
    one = run(Setting(num_queries=12, limit_per_s=None, num_endpoints=1), tmp_path / "one")
    three = run(Setting(num_queries=12, limit_per_s=None, num_endpoints=3), tmp_path / "three")
    assert len(one.started) == len(three.started)
    assert len(three.by_endpoint) == 3
    assert min(three.by_endpoint.values()) > 0.7 * max(three.by_endpoint.values())
    results = [
        {name: content for name, content in tree(tmp_path / folder).items() if name in ("graded.jsonl", "pairs.jsonl")}
        for folder in ("one", "three")
    ]
    assert results[0] == results[1]
    assert results[0]["pairs.jsonl"]
