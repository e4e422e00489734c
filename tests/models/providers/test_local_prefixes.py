import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowest.models.providers._local_prefixes import grouped, split

BEGINNING = tuple(range(100, 140))
PROMPTS = st.lists(st.integers(0, 2), min_size=2, max_size=30).map(tuple)


@given(st.lists(PROMPTS, min_size=1, max_size=12, unique=True))
def test_every_prompt_is_its_beginning_and_its_end(prompts: list[tuple[int, ...]]) -> None:
    assert sorted(index for group in grouped(prompts) for index in group) == list(range(len(prompts)))
    parts = split(prompts)
    if parts is None:
        return
    assert [parts.prefixes[of] + end for of, end in zip(parts.prefix_of, parts.suffixes, strict=True)] == prompts
    assert all(parts.prefixes)
    assert all(parts.suffixes)
    in_two = len(parts.prefixes) * max(map(len, parts.prefixes)) + len(prompts) * max(map(len, parts.suffixes))
    assert in_two <= 0.8 * len(prompts) * max(map(len, prompts))


def test_refinements_of_one_query_are_together_under_shared_instructions() -> None:
    queries = [tuple(range(200 + 20 * number, 220 + 20 * number)) for number in range(4)]
    prompts = [(*BEGINNING, *query, draft, 0, 0) for draft in range(5) for query in queries]
    groups = {frozenset(prompts[index][40] for index in group) for group in grouped(prompts)}
    assert groups == {frozenset([query[0]]) for query in queries}
    parts = split(prompts)
    assert parts is not None
    assert sorted(parts.prefixes) == [(*BEGINNING, *query) for query in queries]
    assert {len(end) for end in parts.suffixes} == {3}


def test_different_queries_share_their_instructions() -> None:
    prompts = [(*BEGINNING, number, *range(number % 7)) for number in range(30)]
    parts = split(prompts)
    assert parts is not None
    assert parts.prefixes == [BEGINNING]


def test_a_query_alone_has_as_much_in_the_second_pass_as_the_others() -> None:
    alike = [(*BEGINNING, draft, 0, 0, 0) for draft in range(5)]
    alone = tuple(range(50))
    parts = split([*alike, alone])
    assert parts is not None
    assert set(parts.prefixes) == {BEGINNING, alone[:46]}


@pytest.mark.parametrize(
    "prompts",
    [
        [BEGINNING],
        [BEGINNING, tuple(range(40))],
        [(1, 2, 3, 4), (1, 2, 3, 5)],
        [(*BEGINNING[:8], *range(60)), (*BEGINNING[:8], *range(1, 61))],
        [(1,), *((*BEGINNING, end) for end in range(9))],
        [*((*BEGINNING, end) for end in range(60)), *((*range(8), *range(20 * end, 20 * end + 40)) for end in (1, 3))],
    ],
    ids=["one", "different", "short", "hardly alike", "of one token", "much padding between"],
)
def test_one_pass_where_two_save_little(prompts: list[tuple[int, ...]]) -> None:
    assert split(prompts) is None


def test_a_prompt_that_begins_another_keeps_its_last_token_for_the_second_pass() -> None:
    parts = split([BEGINNING, (*BEGINNING, 1), (*BEGINNING, 2)])
    assert parts is not None
    assert parts.prefixes == [BEGINNING[:-1]]
    assert [len(end) for end in parts.suffixes] == [1, 2, 2]
