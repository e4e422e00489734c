"""What clients read of an endpoint's errors names no address."""

import pytest

from cowest.serving.addresses import MASK, without_addresses


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.5:8000/v1", "https://user:pw@gateway.corp.example.com/v1?x=1", "http://[fd00::1]:80/v1",
        "10.0.0.5", "192.168.1.7:8000", "[::1]:80", "fe80::1", "2001:db8:0:1:1:1:1:1", "localhost", "localhost:80",
        "api.example.com:443", "vllm.prod.svc", "node3.cluster.local", "gpu-7:8000",
        "vllm:8000", "redis:6379",
    ],
)  # fmt: skip
def test_an_address_is_masked(address: str) -> None:
    assert without_addresses(f"cannot reach {address}, sorry") == f"cannot reach {MASK}, sorry"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Cannot connect to host ollama:80 ssl:default", "Cannot connect to host [address] ssl:default"),
        ("Cannot connect to host gateway", "Cannot connect to host [address]"),
        ("HTTPConnectionPool(host='gateway', port=8000)", "HTTPConnectionPool(host='[address]', port=8000)"),
        ("Failed to resolve 'gateway' ([Errno -2])", "Failed to resolve '[address]' ([Errno -2])"),
    ],
)
def test_a_host_that_a_library_names_is_masked(said: str, shown: str) -> None:
    assert without_addresses(said) == shown


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens.", "max_tokens:4096 is more than 1.5", "at 12:30:45",
        "gpt-4.1 takes no a::b, e.g. messages[0].content",
        "the host of qwen:14b gave status:429",
    ],
)  # fmt: skip
def test_other_words_stay(text: str) -> None:
    assert without_addresses(text) == text


def test_a_long_message_is_cut() -> None:
    assert len(without_addresses("a1-" * 10_000)) <= 700
