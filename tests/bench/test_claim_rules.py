"""The rule of the claims at its edges."""

import pytest

from cowest.bench.claim_rules import Claim, Contrast, contrast, judge_all, judge_any, with_holm


def made(low: float, high: float, p: float) -> Contrast:
    return Contrast(a="a", b="b", difference=(low + high) / 2, ci95=(low, high), p_value=p)


GAIN = made(0.01, 0.2, 0.01)
LOSS = made(-0.2, -0.01, 0.02)
OPEN = made(-0.05, 0.2, 0.3)


@pytest.mark.parametrize(
    ("contrasts", "expected"),
    [
        ([], ("inconclusive", None)),
        ([GAIN], ("reproduced", 0.01)),
        ([GAIN, made(0.1, 0.3, 0.04)], ("reproduced", 0.04)),
        ([made(0.0, 0.2, 0.01)], ("inconclusive", 0.01)),  # the interval must lie above 0, not at it
        ([made(1e-9, 0.2, 0.0501)], ("inconclusive", 0.0501)),  # and p at most 0.05
        ([made(1e-9, 0.2, 0.05)], ("reproduced", 0.05)),
        ([GAIN, OPEN], ("inconclusive", 0.3)),
        ([LOSS], ("not reproduced", 0.02)),
        ([GAIN, LOSS], ("not reproduced", 0.04)),  # Bonferroni: 2 * 0.02
        ([GAIN, LOSS, OPEN], ("inconclusive", 0.3)),  # 3 * 0.02 is too much
        ([made(-0.2, 0.0, 0.01)], ("inconclusive", 0.01)),
        ([made(0.0, 0.0, 1.0)], ("inconclusive", 1.0)),  # nothing ever changed
    ],
)
def test_a_claim_about_all_differences(contrasts: list[Contrast], expected: tuple[str, float | None]) -> None:
    assert judge_all(contrasts) == expected


@pytest.mark.parametrize(
    ("contrasts", "expected"),
    [
        ([], ("inconclusive", None)),
        ([GAIN], ("reproduced", 0.01)),
        ([GAIN, LOSS], ("reproduced", 0.02)),  # Bonferroni: 2 * 0.01
        ([made(0.01, 0.2, 0.02), OPEN, OPEN], ("inconclusive", 0.06)),
        ([LOSS, made(-0.1, -0.001, 0.04)], ("not reproduced", 0.04)),
        ([LOSS, made(-0.1, -0.001, 0.2)], ("inconclusive", 0.04)),
        ([LOSS, OPEN], ("inconclusive", 0.04)),
        ([made(0.0, 0.1, 0.001)], ("inconclusive", 0.001)),
    ],
)
def test_a_claim_about_some_difference(contrasts: list[Contrast], expected: tuple[str, float | None]) -> None:
    verdict, p_value = judge_any(contrasts)
    assert verdict == expected[0]
    assert p_value == pytest.approx(expected[1])


def test_a_contrast_compares_the_examples_that_both_have() -> None:
    found = contrast(
        *("a", "b", {0: {"1": 1.0, "2": 1.0, "3": 0.0, "x": 1.0}}, {0: {"1": 0.0, "2": 1.0, "3": 0.0, "y": 0.0}}, {})
    )
    assert found.difference == pytest.approx(1 / 3)
    assert found.p_value > 0.3  # one example on which they disagree
    assert found.ci95[0] < 0.0
    assert found.verdict == "no difference shown"


def test_a_contrast_counts_groups() -> None:
    better, worse = {0: {str(row): 1.0 for row in range(12)}}, {0: {str(row): 0.0 for row in range(12)}}
    alone = contrast("a", "b", better, worse, {})
    in_groups = contrast("a", "b", better, worse, {str(row): f"table {row // 6}" for row in range(12)})
    assert (alone.verdict, in_groups.verdict) == ("better", "no difference shown")


def test_a_contrast_pairs_by_seed_what_seeds_change() -> None:
    def rows(*right: int) -> dict[int, dict[str, float]]:
        return {seed: {str(row): float(row < count) for row in range(20)} for seed, count in enumerate(right)}

    both = contrast("a", "b", rows(18, 20, 16), rows(8, 10), {})
    assert (both.difference, both.num_seeds) == (pytest.approx(0.5), 2)  # the third seed has no counterpart
    untrained = {7: rows(8)[0]}
    every = contrast("a", "b", rows(18, 20, 16), untrained, {}, is_trained=(True, False), metric="f1")
    assert (every.difference, every.num_seeds, every.metric) == (pytest.approx(0.5), 3, "f1")
    neither = contrast("a", "b", untrained, untrained, {}, is_trained=(False, False))
    assert (neither.difference, neither.num_seeds) == (0.0, None)
    assert contrast("a", "b", {0: rows(8)[0]}, {1: rows(8)[0]}, {}) is None


def test_holms_column_leaves_out_what_was_not_measured_and_changes_no_verdict() -> None:
    claims = [
        Claim(name=str(index), statement="", verdict="reproduced", p_value=p_value, contrasts=())
        for index, p_value in enumerate([0.02, None, 0.04])
    ]
    corrected = with_holm(claims)
    assert [claim.p_holm for claim in corrected] == [0.04, None, 0.04]
    assert [claim.verdict for claim in corrected] == ["reproduced"] * 3
    assert [claim.p_value for claim in corrected] == [0.02, None, 0.04]
