"""An audit.json in which each part has found something."""

from typing import Any

from cowest.auditing import findings_of
from cowest.records import (
    AuditResults,
    Calibration,
    CalibrationBin,
    CorrectedDifference,
    Estimate,
    Flips,
    Reliance,
    Share,
    Slice,
    Swaps,
)

EVIL = "<b>towns</b>"


def share(value: float, num: int) -> Share:
    return Share(value=value, ci95=(value - 0.05, value + 0.05), num=num)


def piece(field: str, value: str, difference: float, p_holm: float | None) -> Slice:
    return Slice(
        field=field,
        value=value,
        num_examples=200,
        strong=Estimate(value=0.6, ci95=(0.53, 0.67)),
        pair=Estimate(value=0.6 + difference, ci95=(0.5 + difference, 0.7 + difference)),
        difference=difference,
        ci95=(difference - 0.08, difference + 0.08),
        p_value=0.001,
        p_holm=p_holm,
        help_rate=0.1,
        harm_rate=0.1 - difference,
    )


def flips(value: float, p_holm: float) -> Flips:
    difference = CorrectedDifference(difference=0.1 - value, ci95=(-0.4, -0.02), p_value=0.01, p_holm=p_holm)
    return Flips(changed=share(value, 60), changed_again=share(0.1, 60), difference=difference)


def swaps() -> Swaps:
    return Swaps(
        words=[("he", "she"), ("his", "her")],
        num_matching=132,
        num_examples=60,
        num_failed=1,
        strong=flips(0.15, 0.2),
        pair=flips(0.33, 0.03),
        difference=CorrectedDifference(difference=-0.18, ci95=(-0.3, -0.06), p_value=0.01, p_holm=0.02),
        calls={"weak": 180, "strong": 360},
        cost_usd=0.12,
    )


def audit(**changes: Any) -> AuditResults:
    """An audit of 600 examples with a finding of every kind."""
    found = AuditResults(
        task="ifqa",
        metric="exact_match",
        pair="collaborate",
        strong="strong_only",
        num_examples=600,
        num_groups=150,
        overall=piece("", "", 0.05, None),
        min_slice=30,
        slices=[
            piece("topic", EVIL, -0.2, 0.01),
            piece("topic", "a river with quite a long name", 0.15, 0.02),
            piece("query length", "12 to 80", -0.1, 0.3),
        ],
        left_out={"author": "21 values with fewer than 30 examples"},
        reliance=Reliance(
            draft_right=share(0.4, 590), took_wrong=share(0.31, 150), left_right=share(0.2, 236), tolerated=0.1
        ),
        calibration=Calibration(
            num_examples=590,
            confidence=0.7,
            right=Estimate(value=0.4, ci95=(0.36, 0.44)),
            error=0.3,
            error_if_calibrated=0.02,
            ranked_right=0.61,
            bins=[
                CalibrationBin(
                    num_examples=295,
                    low=low,
                    high=low + 0.3,
                    confidence=low + 0.15,
                    right=Estimate(value=low, ci95=(low - 0.05, low + 0.05)),
                    difference=-0.15,
                    ci95=(-0.2, -0.1),
                    p_value=1e-5,
                    p_holm=p_holm,
                )
                for low, p_holm in ((0.4, 0.2), (0.7, 2e-5))
            ],
        ),
        missing={},
        swaps=swaps(),
    ).model_copy(update=changes)
    return found.model_copy(update={"findings": findings_of(found)})
