"""Macro-F1 by hand, its intervals against plain resampling, and its paired test."""

import numpy as np
import pytest
from hypothesis import given, settings
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


@settings(deadline=None)
@given(rows)
def test_both_means_agree_with_scikit_learn(rows: list[tuple[str, str | None]]) -> None:
    gold, answered = (list(column) for column in zip(*rows, strict=True))
    names = [UNPARSED if label is None else label for label in answered]
    ours = f1_score(gold, names, labels=sorted(set(gold)), average="macro", zero_division=0)
    assert classification.macro_f1(gold, answered) == pytest.approx(ours, abs=1e-12)
    published = f1_score(gold, names, average="macro", zero_division=0)
    assert classification.macro_f1_published(gold, answered) == pytest.approx(published, abs=1e-12)


@given(rows)
def test_influences_are_the_derivatives_of_macro_f1(rows: list[tuple[str, str | None]]) -> None:
    gold, answered = (list(column) for column in zip(*rows, strict=True))
    value, influences = classification._macro_f1(gold, answered)
    assert sum(influences) == pytest.approx(0.0, abs=1e-9)
    # Many copies of the rows and one row more: macro-F1 moves by that row's influence.
    copies = 200
    more = classification.macro_f1([*gold * copies, gold[0]], [*answered * copies, answered[0]])
    assert (more - value) * (len(gold) * copies + 1) == pytest.approx(influences[0], abs=0.05)


def test_the_interval_is_about_that_of_resampled_examples() -> None:
    rng = np.random.default_rng(0)
    gold = rng.choice(["a", "b", "c"], size=200, p=[0.5, 0.3, 0.2])
    answered = np.where(rng.random(200) < 0.7, gold, rng.choice(["a", "b", "c"], size=200))
    interval = classification.macro_f1_interval(list(gold), list(answered))
    drawn = [rng.integers(200, size=200) for _ in range(300)]
    plain = [classification.macro_f1(list(gold[index]), list(answered[index])) for index in drawn]
    assert [interval.low, interval.high] == pytest.approx(list(np.quantile(plain, [0.025, 0.975])), abs=0.02)
    assert interval.low < interval.value < interval.high


def test_copies_count_once() -> None:
    gold, answered = ["a", "b", "c"] * 20, ["a", "b", "a", "b", "b", "c"] * 10
    groups = [str(row) for row in range(60)] * 9
    once = classification.macro_f1_interval(gold, answered)
    copied = classification.macro_f1_interval(gold * 9, answered * 9, groups)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.03)


def test_a_method_does_not_differ_from_itself() -> None:
    found = classification.macro_f1_difference(GOLD, GIVEN, GIVEN)
    assert (found.difference, found.p_value, found.verdict) == (0.0, 1.0, "no difference shown")
    assert found.low == -found.high < 0  # six examples do not show that they are equal


def test_a_clear_difference_is_found_and_is_antisymmetric() -> None:
    gold = ["a", "b"] * 100
    poor: list[str | None] = ["a"] * 200
    found = classification.macro_f1_difference(gold, gold, poor)
    turned = classification.macro_f1_difference(gold, poor, gold)
    assert found.difference == pytest.approx(1 - (2 / 3 + 0) / 2)
    assert found.low > 0.5
    assert found.p_value < 0.001
    assert turned.difference == -found.difference


def test_the_published_mean_counts_unparsed_answers_as_a_class() -> None:
    gold = ["A", "B", "C", "D"] * 5
    parsed: list[str | None] = list(gold)
    assert classification.macro_f1_published(gold, parsed) == classification.macro_f1(gold, parsed) == 1.0
    parsed[0] = None
    assert classification.macro_f1_published(gold, parsed) == pytest.approx(
        classification.macro_f1(gold, parsed) * 4 / 5
    )
    interval = classification.macro_f1_published_interval(gold, parsed)
    assert interval.value == pytest.approx(classification.macro_f1_published(gold, parsed))
    assert interval.low < interval.value < interval.high < 0.81


@pytest.mark.parametrize(("gold", "given_labels"), [([], []), (["a"], [])])
def test_labels_that_do_not_match_are_refused(gold: list[str], given_labels: list[str]) -> None:
    with pytest.raises(InputError, match="one predicted label for each"):
        classification.macro_f1(gold, given_labels)
