"""The stages of a run as the page's strip shows them: what each took in and gave, and its time."""

from typing import Any

from cowest import words
from cowest.report.records import Feedback, Results, Training

_NAMES = {"sft": "SFT", "feedback": "Feedback", "align": "Alignment", "evaluate": "Evaluation"}


def step(stage: dict[str, Any], collected: dict[str, Any]) -> dict[str, Any]:
    """Title, state and facts of one of `collect`'s stages."""
    name, number = stage["stage"], stage["round"]
    title = _NAMES[name] + (f" · round {number}" if number is not None and len(collected["rounds"]) > 1 else "")
    unfinished = {"missing": ["not yet"], "started": ["started, not finished"]}
    facts = unfinished.get(stage["state"]) or _facts(stage, collected)
    return {"title": title, "state": stage["state"], "facts": facts}


def _facts(stage: dict[str, Any], collected: dict[str, Any]) -> list[str]:
    name, number = stage["stage"], stage["round"]
    time = [words.duration(stage["wall_s"])] if stage["wall_s"] is not None else []
    if name == "evaluate":
        results = Results.model_validate(collected["results"])
        return [words.plural(len(results.methods), "method"), words.plural(results.num_examples, "example"), *time]
    if name == "feedback":
        feedback = Feedback.model_validate(collected["rounds"][number - 1]["feedback"])
        made = [words.plural(feedback.num_examples, "query"), words.plural(feedback.num_drafts, "draft")]
        return [*made, words.plural(feedback.num_pairs, "pair"), *time]
    source = collected["sft"] if name == "sft" else collected["rounds"][number - 1]["align"]
    training = Training.model_validate(source)
    rows = [] if training.num_rows is None else [words.plural(training.num_rows, "row")]
    left_out = training.num_overlong + training.num_untrainable
    facts = [*rows, *([f"{left_out:,} left out"] if left_out else [])]
    if training.first_loss is not None and training.final_loss is not None:
        facts.append(f"loss {training.first_loss:.3g} → {training.final_loss:.3g}")
    return [*facts, *time]
