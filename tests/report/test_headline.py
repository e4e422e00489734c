import re
from typing import Any

import pytest
from cowest.report.records import Results

from cowest.report.headline import headline, verdict
from tests.report.sample import results
from tests.wording import numbers


def _results(**changes: Any) -> Results:
    return Results.model_validate(results() | changes)


def test_the_pair_beats_both() -> None:
    said = headline(_results())
    assert numbers(said) == [
        *("77.0%", "72.5", "81.5"),
        *("41.5", "36.0", "47.0", "35.5%"),
        *("44.0", "38.0", "50.0", "33.0%"),
        *("$0.0016", "$0.0010"),
    ]
    assert re.search(r"exact match.*more than the strong model alone.*more than the weak model alone.*a query", said)
    assert verdict(_results()) == "better"


@pytest.mark.parametrize(
    ("difference", "ci95", "words", "said"),
    [
        (0.01, [-0.02, 0.04], "not clearly different (+1.0 [−2.0, 4.0]) from the strong model alone", "unclear"),
        (-0.05, [-0.08, -0.02], "5.0 points [2.0, 8.0] less than the strong model alone", "worse"),
        (0.0, [0.0, 0.0], "not clearly different (0.0 [0.0, 0.0]) from", "unclear"),
    ],
)
def test_no_claim_without_an_interval_beside_zero(difference: float, ci95: list[float], words: str, said: str) -> None:
    comparisons = results()["comparisons"]
    comparisons[1] |= {"difference": difference, "ci95": ci95}
    changed = _results(comparisons=comparisons)
    assert words in headline(changed)
    assert verdict(changed) == said


def test_a_comparison_may_stand_the_other_way_round() -> None:
    turned = {"a": "strong_only", "b": "collaborate", "metric": "exact_match", "difference": -0.4, "ci95": [-0.5, -0.3]}
    changed = _results(comparisons=[turned])
    assert "40.0 points [30.0, 50.0] more than the strong model alone" in headline(changed)
    assert re.search(r"weak model alone \(33\.0%\).*not compared", headline(changed))
    assert verdict(changed) == "unclear"


@pytest.mark.parametrize(
    ("cost", "words"), [(None, "at a cost that is not known"), (0.0, "at no cost a query"), (800.0, "at $2.00 a query")]
)
def test_cost(cost: float | None, words: str) -> None:
    methods = results()["methods"]
    methods["collaborate"]["cost_usd"] = cost
    assert words in headline(_results(methods=methods))


def test_without_the_pair_the_best_method_stands() -> None:
    methods = {name: row for name, row in results()["methods"].items() if not name.startswith("collaborate")}
    changed = _results(methods=methods, comparisons=[])
    assert numbers(headline(changed)) == ["35.5%", "31.0", "40.0"]
    assert re.search("Strong model alone.*pair was not evaluated", headline(changed))
    assert verdict(changed) == "unclear"
    assert "no scores" in headline(Results())


def test_the_pair_is_the_last_state_known() -> None:
    methods = results()["methods"]
    row = methods.pop("collaborate")
    assert _results(methods=methods).pair == "collaborate_sft"
    assert _results(methods=methods | {"collaborate_round_1": row}).pair == "collaborate_round_1"
    assert _results(methods={}).pair is None
