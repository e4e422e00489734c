"""Rows that are kept out of SFT: how many, and in whole groups."""

import pytest

from cowest.errors import InputError
from cowest.stages.held_back import hold_back
from cowest.types import Example

EXAMPLES = [Example(id=str(index), query=f"What is {index}?", references=("1",)) for index in range(30)]
ALONE = [None] * 30
TABLES: list[str | None] = [f"table {index // 5}" for index in range(20)] + [None] * 10


def of(groups: list[str | None], count: int, seed: str = "0") -> tuple[list[int], list[int]]:
    for_sft, held_back = hold_back(EXAMPLES, groups, count, seed)
    return [int(each.id) for each in for_sft], [int(each.id) for each in held_back]


def test_held_back_rows_are_disjoint_from_those_of_sft() -> None:
    for_sft, held_back = of(ALONE, 9)
    assert len(held_back) == 9
    assert sorted([*for_sft, *held_back]) == list(range(30))
    assert (for_sft, held_back) == (sorted(for_sft), sorted(held_back))
    assert of(ALONE, 9) == (for_sft, held_back)
    assert of(ALONE, 9, seed="1") != (for_sft, held_back)


@pytest.mark.parametrize("count", [1, 7, 12, 23])
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_rows_of_one_group_stay_on_one_side(count: int, seed: str) -> None:
    for_sft, held_back = of(TABLES, count, seed)
    assert len(held_back) == count
    assert not {TABLES[row] for row in held_back} & {TABLES[row] for row in for_sft} - {None}


def test_where_no_whole_groups_have_so_many_rows_a_few_more_are_held_back() -> None:
    tables: list[str | None] = [f"table {index // 5}" for index in range(30)]
    assert len(of(tables, 8)[1]) == 10
    assert of(tables, 0)[1] == []
    with pytest.raises(InputError, match="belong to 6 groups"):
        of(tables, 27)
