"""The endpoint behaves as configured: its limits let through what they should, and it counts what it sees."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.endpoint import Behaviour, Served, serving
from tests.endpoint.limiters import make_limiter


def post(served: Served, text: str = "how are you", **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(
        f"{served.url}/chat/completions", json.dumps(body).encode(), {"Authorization": "Bearer k"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response), dict(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), dict(error.headers)


def test_reply_usage_and_counts() -> None:
    with serving(Behaviour(reply=lambda body: body["messages"][-1]["content"].upper())) as served:
        status, reply, _ = post(served)
        assert (status, reply["choices"][0]["message"]["content"]) == (200, "HOW ARE YOU")
        assert reply["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
        counts = served.counts
    assert (counts.calls, counts.successes, counts.statuses, counts.models) == (1, 1, {200: 1}, {"m": 1})
    assert sum(counts.served.values()) == 1


def test_limit_headers_and_refusals() -> None:
    with serving(Behaviour(requests_per_s=0.01, burst_s=200, headers=True, retry_after="seconds")) as served:
        assert post(served)[2]["x-ratelimit-remaining-requests"] == "1"
        assert post(served)[0] == 200
        status, _, headers = post(served)
    assert status == 429
    assert 90 <= int(headers["retry-after"]) <= 100
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert (served.counts.successes, served.counts.refused) == (2, 1)


def test_token_limit() -> None:
    with serving(Behaviour(tokens_per_s=0.01, burst_s=2000)) as served:
        assert [post(served, max_tokens=5)[0] for _ in range(4)] == [200, 200, 429, 429]


def test_key_and_model() -> None:
    with serving(Behaviour(key="other")) as served:
        assert post(served)[0] == 401
    with serving(Behaviour(known_models=frozenset({"n"}))) as served:
        assert post(served)[0] == 404


def test_faults_are_a_function_of_seed_body_and_attempt() -> None:
    outcomes = []
    for _ in range(2):
        with serving(Behaviour(faults={"server_error": 0.3}, seed=3)) as served:
            outcomes.append([[post(served, str(n))[0] for _ in range(3)] for n in range(20)])
    assert outcomes[0] == outcomes[1]
    flat = [status for statuses in outcomes[0] for status in statuses]
    assert 8 <= flat.count(500) <= 28
    assert served.counts.faults["server_error"] == flat.count(500)


@pytest.mark.parametrize("kind", ["bucket", "window", "fixed"])
def test_no_limiter_lets_more_through_than_its_rate_and_burst(kind: str) -> None:
    limiter = make_limiter(kind, 50, 1.0)
    let_through = sum(limiter.take(1, n / 200) for n in range(2000))
    assert 490 <= let_through <= 552
    now = 10.0
    while limiter.take(1, now):
        pass
    wait_s = limiter.wait_s(1, now)
    assert not limiter.take(1, now + 0.9 * wait_s)
    assert limiter.take(1, now + wait_s + 1e-6)


def test_counts_over_http() -> None:
    with serving(Behaviour(faults={"server_error": 1.0})) as served:
        post(served)
        with urllib.request.urlopen(served.url.removesuffix("/v1") + "/counts", timeout=10) as response:
            found = json.load(response)
    assert (found["calls"], found["faults"], found["statuses"]) == (1, {"server_error": 1}, {"500": 1})
