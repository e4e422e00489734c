"""What an estimate rests on: shares, tokens per reply and seconds per call, measured or assumed in two cases."""

from collections.abc import Mapping, Sequence

import numpy as np

from cowest.pipeline import Pipeline
from cowest.planning.rehearsal import Assumptions
from cowest.recipe import Recipe
from cowest.records import FeedbackSummary
from cowest.stages.feedback_config import FeedbackConfig
from cowest.types import Sampling

LOW, HIGH = "low", "high"
ASSUMED = {
    LOW: {"solved_alone": 0.5, "helped": 0.5, "sure": 0.5, "draft": 60, "output": 80, "latency_s": 1.0},
    HIGH: {"solved_alone": 0.0, "helped": 0.2, "sure": 0.0, "draft": 250, "output": 350, "latency_s": 8.0},
}

DRAFTS_A_QUERY = "drafts a query"
"""Measured, and only said: how many drafts a query took in the last round, where they end with its first pair."""

JUDGE_TOKENS = VOTE_TOKENS = 2


def assume(case: str, recipe: Recipe, measured: Mapping[str, float], targets: Sequence[int]) -> Assumptions:
    """The assumptions of a case: measured values, and assumed ones for the rest.

    Args:
        case: LOW or HIGH.
        measured: see `measured_so_far`.
        targets: lengths of the SFT targets in tokens; empty without SFT.
    """
    assumed = ASSUMED[case] | dict(measured)
    if "draft" not in measured and targets:
        # Drafts look like SFT targets, but sampled ones ramble.
        likely = float(np.quantile(targets, 0.5 if case == LOW else 0.9))
        assumed["draft"] = likely if case == LOW else max(likely, assumed["draft"])
    tokens = {
        "weak": _capped(assumed["draft"], recipe.weak.sampling),
        "strong": _capped(assumed["output"], recipe.strong.sampling),
        **dict.fromkeys(recipe.judge_models(), JUDGE_TOKENS),
        "labeller": VOTE_TOKENS,
    }
    if case == HIGH and recipe.feedback.labeller is not None:  # it may reason before it votes
        tokens["labeller"] = _capped(assumed["output"], recipe.feedback.labeller.sampling)
    return Assumptions(
        solved_alone=assumed["solved_alone"],
        helped=assumed["helped"],
        sure=assumed["sure"],
        tokens=tokens,
        unanswered=case == HIGH and recipe.evaluate.final_answer == "ask",
    )


def feedback_config_for(case: str, config: FeedbackConfig) -> FeedbackConfig:
    """The feedback section for a case: in the high one no rule saves calls, and every draft is made."""
    return config if case == LOW else config.model_copy(update={"skip_settled": False, "drafts": "all"})


def latency_s(case: str) -> float:
    """Seconds per call in a case."""
    return float(ASSUMED[case]["latency_s"])


def measured_so_far(pipeline: Pipeline) -> dict[str, float]:
    """Values measured in the finished rounds of this run; empty before the first."""
    values: dict[str, float] = {}
    for number in range(1, pipeline.recipe.rounds + 1):
        file = pipeline.folder.feedback(number) / "summary.json"
        if not file.is_file():
            break
        summary = FeedbackSummary.read(file)
        graded = summary.num_examples - summary.num_failed
        scored = summary.num_positive + summary.num_negative
        if graded and summary.num_ties is None:  # kinds that compare drafts with each other have no z
            values["solved_alone"] = summary.num_solo_perfect / graded
        if summary.num_drafts_not_drawn is not None:
            # Drafts that end with the first of either sign are no sample: their signs say nothing of all drafts.
            values[DRAFTS_A_QUERY] = summary.num_drafts / max(1, graded)
        elif scored:
            values["helped"] = summary.num_positive / scored
        for role, name in (("weak", "draft"), ("strong", "output")):
            if calls := summary.calls.get(role):
                values[name] = summary.usage[role].completion_tokens / calls
    return values


def _capped(tokens: float, sampling: Sampling) -> int:
    return max(1, round(tokens if sampling.max_tokens is None else min(tokens, sampling.max_tokens)))
