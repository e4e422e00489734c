import re

import pytest

from cowest.records import Comparison, EvaluationResults
from cowest.report.headline import headline, verdict
from tests.report.sample import changed, results, with_method
from tests.wording import numbers


def test_the_pair_beats_both() -> None:
    said = headline(results())
    assert numbers(said) == [
        *("77.0%", "72.5", "81.5"),
        *("41.5", "36.0", "47.0", "35.5%"),
        *("44.0", "38.0", "50.0", "33.0%"),
        *("$0.0016", "$0.0010"),
    ]
    assert re.search(r"exact match.*more than the strong model alone.*more than the weak model alone.*a query", said)
    assert verdict(results()) == "better"


@pytest.mark.parametrize(
    ("difference", "ci95", "words", "said"),
    [
        (
            0.01,
            (-0.02, 0.04),
            "not clearly different (+1.0 [−2.0, 4.0]) from the strong model alone",
            "no difference shown",
        ),
        (-0.05, (-0.08, -0.02), "5.0 points [2.0, 8.0] less than the strong model alone", "worse"),
        (0.0, (0.0, 0.0), "not clearly different (0.0 [0.0, 0.0]) from", "no difference shown"),
    ],
)
def test_no_claim_without_an_interval_beside_zero(
    difference: float, ci95: tuple[float, float], words: str, said: str
) -> None:
    weak, strong, sft = results().comparisons
    found = results(comparisons=[weak, changed(strong, difference=difference, ci95=ci95), sft])
    assert words in headline(found)
    assert verdict(found) == said


def test_a_comparison_may_stand_the_other_way_round() -> None:
    turned = Comparison(a="strong_only", b="collaborate", metric="exact_match", difference=-0.4, ci95=(-0.5, -0.3))
    found = results(comparisons=[turned])
    assert "40.0 points [30.0, 50.0] more than the strong model alone" in headline(found)
    assert re.search(r"weak model alone \(33\.0%\).*not compared", headline(found))
    assert verdict(found) == "no difference shown"


@pytest.mark.parametrize(
    ("cost", "words"), [(None, "at an unknown cost"), (0.0, "at no cost a query"), (800.0, "at $2.00 a query")]
)
def test_cost(cost: float | None, words: str) -> None:
    assert words in headline(with_method("collaborate", cost_usd=cost))


def test_without_the_pair_the_best_method_stands() -> None:
    methods = {name: row for name, row in results().methods.items() if not name.startswith("collaborate")}
    found = results(methods=methods, comparisons=[])
    assert numbers(headline(found)) == ["35.5%", "31.0", "40.0"]
    assert re.search("Strong model alone.*pair was not evaluated", headline(found))
    assert verdict(found) == "no difference shown"
    assert "no scores" in headline(EvaluationResults())


def test_the_pair_is_the_last_state_known() -> None:
    methods = dict(results().methods)
    row = methods.pop("collaborate")
    assert results(methods=methods).pair == "collaborate_sft"
    assert results(methods=methods | {"collaborate_round_1": row}).pair == "collaborate_round_1"
    assert results(methods={}).pair is None
