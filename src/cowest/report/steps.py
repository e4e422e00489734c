"""The stages of a run in the page's strip: the inputs and outputs of each, and its time."""

from dataclasses import dataclass

from cowest import words
from cowest.records import ExplanationSummary, TrainingRecord
from cowest.report.collect import RunState, StageState

_NAMES = {"sft": "SFT", "feedback": "Feedback", "align": "Alignment", "evaluate": "Evaluation"}
_UNFINISHED = {"missing": ["not yet"], "started": ["started, not finished"]}


@dataclass(frozen=True)
class Step:
    """One stage as text."""

    title: str
    state: str
    facts: list[str]


def step(stage: StageState, run: RunState) -> Step:
    """Title, state and facts of a stage."""
    title = _NAMES[stage.stage]
    if stage.round is not None and len(run.rounds) > 1:
        title += f" · round {stage.round}"
    facts = ["left out"] if stage.state == "missing" and run.results is not None else _UNFINISHED.get(stage.state)
    if facts is None:
        facts = [*_facts(stage, run), *([words.duration(stage.wall_s)] if stage.wall_s is not None else [])]
    return Step(title, stage.state, facts)


def _facts(stage: StageState, run: RunState) -> list[str]:
    if stage.stage == "sft":
        return [*_training_facts(run.sft), *_explanation_facts(run.explanations)]
    if stage.stage == "evaluate":
        results = run.results
        if results is None:
            return []
        return [words.plural(len(results.rows), "method"), words.plural(results.num_examples, "example")]
    state = next(each for each in run.rounds if each.round == stage.round)
    if stage.stage == "align":
        return _training_facts(state.align)
    if state.feedback is None:
        return []
    counts = {
        "query": state.feedback.num_examples,
        "draft": state.feedback.num_drafts,
        "pair": state.feedback.num_pairs,
    }
    return [words.plural(number, noun) for noun, number in counts.items()]


def _explanation_facts(summary: ExplanationSummary | None) -> list[str]:
    if summary is None:
        return []
    counts = f"{summary.num_kept:,} kept, {summary.num_rejected:,} rejected, {summary.num_failed:,} failed"
    return [f"explanations by the strong model: {counts}"]


def _training_facts(training: TrainingRecord | None) -> list[str]:
    if training is None:
        return []
    method = [f"by {training.method}"] if training.method is not None else []
    replayed = " of this round and those before" if training.settings.get("replay") else ""
    rows = [*method, *([] if training.num_rows is None else [words.plural(training.num_rows, "row") + replayed])]
    left_out = training.num_overlong + training.num_untrainable
    facts = [*rows, *([f"{left_out:,} left out"] if left_out else [])]
    if training.num_drafts is not None:
        cut = f", {training.num_drafts_cut:,} cut" if training.num_drafts_cut else ""
        unscored = f", {training.num_unscored:,} unscored" if training.num_unscored else ""
        calls = words.plural(sum((training.calls or {}).values()), "call")
        facts.append(f"{words.plural(training.num_drafts, 'draft')} sampled{cut}{unscored}")
        facts.append(f"{calls}, {words.money(training.cost_usd)}")
    if training.first_loss is not None and training.final_loss is not None:
        facts.append(f"loss {training.first_loss:.3g} → {training.final_loss:.3g}")
    return facts
