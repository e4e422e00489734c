"""Sums of calls and tokens by role."""

from cowest.records.spend import add_calls, add_usage
from cowest.types import Usage


def test_calls_are_added_by_role() -> None:
    assert add_calls([{"weak": 1, "strong": 2}, {}, {"strong": 3, "judge": 0}]) == {"weak": 1, "strong": 5, "judge": 0}
    assert add_calls([]) == {}


def test_tokens_are_added_by_role() -> None:
    first, second = Usage(prompt_tokens=3, completion_tokens=1), Usage(prompt_tokens=4)
    assert add_usage([{"weak": first}, {"weak": second, "strong": second}]) == {
        "weak": Usage(prompt_tokens=7, completion_tokens=1),
        "strong": second,
    }
    assert add_usage([]) == {}
