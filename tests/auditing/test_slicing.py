"""Which slices examples are divided into."""

import re
from typing import Any

import numpy as np
import pytest

from cowest.auditing.answered import Answered
from cowest.auditing.measured import measure_slices
from cowest.auditing.slicing import MAX_VALUES, slices
from cowest.records import Prediction


def rows(values: list[Any], **columns: list[Any]) -> list[Prediction]:
    """Predictions with a field `x`; None means that a row has no such field."""
    return [
        Prediction(
            id=f"q{number}",
            method="strong_only",
            query="?",
            reference=("a",),
            fields={} if value is None else {"x": value},
            **{name: column[number] for name, column in columns.items()},
        )
        for number, value in enumerate(values)
    ]


def found(examples: list[Prediction], min_size: int = 10) -> dict[str, int]:
    return {f"{part.field}: {part.value}": int(part.chosen.sum()) for part in slices(examples, min_size).parts}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a"] * 20 + ["b"] * 15, {"x: a": 20, "x: b": 15}),
        (["a"] * 20 + ["b"] * 9, {"x: a": 20}),
        ([True] * 10 + [False] * 10, {"x: true": 10, "x: false": 10}),
        ([1, 2] * 10, {"x: 1": 10, "x: 2": 10}),  # few numbers are values
        (list(range(40)), {"x: 0 to 9": 10, "x: 10 to 19": 10, "x: 20 to 29": 10, "x: 30 to 39": 10}),
        ([str(number) for number in range(20)], {"x: 0 to 9": 10, "x: 10 to 19": 10}),  # numbers of a CSV file
        (list(range(20)) + [None] * 10, {"x: 0 to 9": 10, "x: 10 to 19": 10, "x: (none)": 10}),
        ([0] * 30 + list(range(1, 11)), {"x: 0": 30, "x: 1 to 10": 10}),
        (["a"] * 10 + [None] * 10, {"x: a": 10, "x: (none, or a long text)": 10}),
    ],
)
def test_a_field_is_divided_by_its_values_or_by_ranges(values: list[Any], expected: dict[str, int]) -> None:
    assert found(rows(values)) == expected


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["a"] * 30, "every example has the same value"),
        (["a"] * 20 + ["b", "c"], "2 values with fewer than 10 examples"),
        (list(range(19)), "fewer than 20 examples with a value"),
        ([f"v{number % 21}" for number in range(210)], f"21 values.*at most {MAX_VALUES} are tested"),
        ([0] * 15 + list(range(1, 10)), "1 range with fewer than 10 examples"),
    ],
)
def test_what_is_left_out_is_said(values: list[Any], reason: str) -> None:
    assert re.search(reason, slices(rows(values), 10).left_out["x"])


def test_labels_groups_and_lengths_divide_too() -> None:
    examples = rows(["a"] * 40, gold_label=["yes", "no"] * 20, group=["one"] * 15 + ["two"] * 10 + [None] * 15)
    examples = [row.model_copy(update={"query": "?" * (1 + number)}) for number, row in enumerate(examples)]
    assert found(examples) == {
        **{"gold label: yes": 20, "gold label: no": 20},
        **{"query length: 1 to 10": 10, "query length: 11 to 20": 10},
        **{"query length: 21 to 30": 10, "query length: 31 to 40": 10},
        **{"group: one": 15, "group: two": 10},
    }


def test_the_same_examples_are_tested_once() -> None:
    examples = rows(["yes", "no"] * 20, gold_label=["yes", "no"] * 20)
    assert found(examples) == {"x: yes": 20, "x: no": 20}
    assert "yes holds the same examples as x yes" in slices(examples, 10).left_out["gold label"]


def test_a_slice_respects_groups_and_the_slice_of_one_group_its_questions() -> None:
    # Each group is right in all of its rows or in none: four groups say less than forty rows.
    groups = [f"g{number // 10}" for number in range(40)]
    examples = rows(["a"] * 20 + ["b"] * 20, group=groups)
    strong = [row.model_copy(update={"query": f"{number:03}?"}) for number, row in enumerate(examples)]
    pair = [row.model_copy(update={"correct": float(number // 10 != 3)}) for number, row in enumerate(strong)]
    parts = slices(pair, 10).parts
    tested = measure_slices(Answered("pair", pair, strong, None), parts)
    by_name = {f"{each.field}: {each.value}": each for each in tested}
    assert (by_name["x: a"].difference, by_name["x: a"].num_groups) == (1.0, 2)
    assert (by_name["group: g0"].num_groups, by_name["group: g0"].verdict) == (10, "better")
    assert by_name["x: b"].verdict == "no difference shown"
    asked_once = [row.model_copy(update={"query": "?"}) for row in pair]
    again = measure_slices(Answered("pair", asked_once, strong, None), parts)
    assert {each.verdict for each in again if each.field == "group"} == {"no difference shown"}


def test_p_values_are_corrected_for_the_number_of_slices() -> None:
    rng = np.random.default_rng(0)
    strong = [row.model_copy(update={"correct": float(rng.random() < 0.5)}) for row in rows(["a", "b", "c"] * 40)]
    pair = [row.model_copy(update={"correct": float(rng.random() < 0.65)}) for row in strong]
    tested = measure_slices(Answered("pair", pair, strong, None), slices(pair, 10).parts)
    assert len(tested) == 3
    assert min(each.p_holm or 0 for each in tested) == pytest.approx(3 * min(each.p_value or 0 for each in tested))
    assert all(each.verdict == "no difference shown" or (each.p_holm or 0) <= 0.05 for each in tested)
