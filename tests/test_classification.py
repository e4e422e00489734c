"""Macro-F1 by hand, its intervals against plain resampling, and its paired test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from cowest import classification
from cowest.classification import UNPARSED
from cowest.errors import InputError

GOLD = ["yes", "yes", "yes", "no", "no", "maybe"]
GIVEN = ["yes", "yes", "no", "no", None, "yes"]

labels = st.sampled_from(["a", "b", "c"])
rows = st.lists(st.tuples(labels, st.one_of(labels, st.none())), min_size=1, max_size=40)


def test_macro_f1_by_hand() -> None:
    # yes: P 2/3, R 2/3; no: P 1/2, R 1/2; maybe: never given.
    assert classification.macro_f1(GOLD, GIVEN) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_an_unparsed_answer_is_wrong_and_no_label_of_the_mean() -> None:
    assert classification.macro_f1(["a", "b"], ["a", None]) == pytest.approx((1 + 0) / 2)
    assert classification.confusion(GOLD, GIVEN) == {
        "maybe": {"yes": 1},
        "no": {"no": 1, UNPARSED: 1},
        "yes": {"no": 1, "yes": 2},
    }


@given(rows)
def test_many_tables_at_once_agree_with_scikit_learn(rows: list[tuple[str, str | None]]) -> None:
    gold, given_labels = zip(*rows, strict=True)
    cells, counts = classification._cells(gold, given_labels)
    (value,) = classification._macro_f1_of_counts(cells, counts[None])
    names = [label or UNPARSED for label in given_labels]
    assert value == pytest.approx(
        f1_score(gold, names, labels=sorted(set(gold)), average="macro", zero_division=0), abs=1e-12
    )


def test_the_interval_is_that_of_resampled_examples() -> None:
    rng = np.random.default_rng(0)
    gold = rng.choice(["a", "b", "c"], size=200, p=[0.5, 0.3, 0.2])
    given_labels = np.where(rng.random(200) < 0.7, gold, rng.choice(["a", "b", "c"], size=200))
    interval = classification.macro_f1_interval(list(gold), list(given_labels), resamples=4000, seed=1)
    drawn = [rng.integers(200, size=200) for _ in range(300)]
    plain = [classification.macro_f1(list(gold[index]), list(given_labels[index])) for index in drawn]
    assert [interval.low, interval.high] == pytest.approx(list(np.quantile(plain, [0.025, 0.975])), abs=0.015)
    assert interval.low < interval.value < interval.high


def test_a_method_does_not_differ_from_itself() -> None:
    found = classification.macro_f1_difference(GOLD, GIVEN, GIVEN)
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_clear_difference_is_found_and_is_antisymmetric() -> None:
    gold = ["a", "b"] * 100
    poor: list[str | None] = ["a"] * 200
    found = classification.macro_f1_difference(gold, gold, poor)
    turned = classification.macro_f1_difference(gold, poor, gold)
    assert found.difference == pytest.approx(1 - (2 / 3 + 0) / 2)
    assert found.low > 0.5
    assert found.p_value < 0.001
    assert turned.difference == -found.difference


def test_under_the_null_hypothesis_small_p_values_are_rare() -> None:
    rng = np.random.default_rng(3)
    small = 0
    for _ in range(60):
        gold = list(rng.choice(["a", "b"], size=60))
        a, b = (list(np.where(rng.random(60) < 0.7, gold, rng.choice(["a", "b"], size=60))) for _ in range(2))
        small += classification.macro_f1_difference(gold, a, b, resamples=400).p_value <= 0.05
    assert small <= 9  # 3 are expected; 9 or fewer has a probability above 0.998


@pytest.mark.parametrize(("gold", "given_labels"), [([], []), (["a"], [])])
def test_labels_that_do_not_match_are_refused(gold: list[str], given_labels: list[str]) -> None:
    with pytest.raises(InputError, match="one predicted label for each"):
        classification.macro_f1(gold, given_labels)
