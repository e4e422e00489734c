"""The feedback stage: a round's preferences, the annotator that RLWF needs, and probes of drafts."""

from collections.abc import Sequence
from pathlib import Path

from cowest import fingerprints, words
from cowest.annotators import RewardModel
from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.models import ModelConfig
from cowest.pipeline.context import RunContext
from cowest.pipeline.explanations import training_rows
from cowest.pipeline.factories import feedback_pair
from cowest.pipeline.models import nothing_sent_or_kept, num_in_flight
from cowest.pipeline.progress import training_progress
from cowest.pipeline.provenance import (
    ALIGN_DEPENDENCIES,
    ANNOTATOR_DEPENDENCIES,
    FEEDBACK_DEPENDENCIES,
    SFT_DEPENDENCIES,
    probe_dependencies,
)
from cowest.pipeline.traffic import is_from_traffic, round_queries
from cowest.progress import progress_bar
from cowest.records import FeedbackSummary, GradedExample, read_rows
from cowest.report.feedback import null_control_sentence, one_sided_sentence
from cowest.stages.annotator import train_annotator
from cowest.stages.feedback import feedback
from cowest.stages.feedback_config import FeedbackConfig
from cowest.stages.queries import draw, shuffled
from cowest.tasks import Task
from cowest.training import TrainedModel
from cowest.training import weights as model_files
from cowest.training.trained import DONE_MARKER
from cowest.types import Example

RLWF = "rlwf"
"""The kind of feedback that needs a trained annotator."""

PROBE = {
    "kind": "collaborative",
    "skip_settled": False,
    "drafts": "all",
    "null_control": 0,
    "max_pairs": None,
    "spend": None,
}
"""The settings of a probe: collaborative feedback without skipping any call."""


def run_feedback(context: RunContext, number: int) -> None:
    """Gathers the preferences of round `number` (Algorithm 1 lines 6 to 25); skipped where that is done.

    Raises:
        InputError: the previous round is not finished, or a stage belongs to another recipe.
    """
    recipe, stage, out = context.recipe, f"feedback, round {number}", context.folder.feedback(number)
    context.weak.check_adapter()
    weak = context.weak.after_round(number - 1)
    _require_same_start(context, number)
    examples = round_queries(recipe, context.data.feedback, out, number)
    if recipe.feedback.spend is not None:
        examples = shuffled(examples, recipe.seed, number)
    if context.provenance.is_done(stage, out, FEEDBACK_DEPENDENCIES, examples, marker="summary.json"):
        _report_failures(context, number)
        return
    _refuse_to_change_used_pairs(context, number)
    reward = _reward_model(context) if recipe.feedback.kind == RLWF else None
    # The task says what is right for its own rows; a client's question may not even have its options.
    task = None if is_from_traffic(recipe) else context.data.task
    _gather(context, examples, weak, out, recipe.feedback, task, reward)
    summary = _report_failures(context, number)
    with context.trackers.stage("feedback") as log:
        log(_figures(summary), number)
    if summary.null_control is not None:
        context.say(f"{stage}, {null_control_sentence(summary.null_control)}")
    if one_sided := one_sided_sentence(summary.pair_labels):
        context.say(f"{stage}: {one_sided}")


def run_probe(context: RunContext, number: int, examples: Sequence[Example], out: Path) -> list[GradedExample]:
    """Grades drafts of the weak model after round `number` as collaborative feedback does, without skipping any call.

    Args:
        number: of the round; 0 means after SFT.
        examples: any, for instance of a test split; nothing is trained on them.
        out: a folder for the feedback files; if they exist, they are read.
    """
    weak = context.weak.after_round(number)
    stage, dependencies = f"probe after round {number}", probe_dependencies(number)
    if not context.provenance.is_done(stage, out, dependencies, examples, marker="summary.json"):
        config = context.recipe.feedback.model_copy(update=PROBE)
        _gather(context, examples, weak, out, config, context.data.task)
    return list(read_rows(out / "graded.jsonl", GradedExample, "graded example"))


def _require_same_start(context: RunContext, number: int) -> None:
    """Checks that the drafting model was trained with this recipe."""
    if number > 1:
        before = context.folder.align(number - 1)
        context.provenance.require_same_recipe(f"align, round {number - 1}", before, ALIGN_DEPENDENCIES)
    else:
        context.provenance.require_same_recipe("sft", context.folder.sft, SFT_DEPENDENCIES)


def _report_failures(context: RunContext, number: int) -> FeedbackSummary:
    """Reports failed queries and how to retry them; returns the round's summary."""
    out = context.folder.feedback(number)
    summary = FeedbackSummary.read(out / "summary.json")
    if summary.num_not_asked:
        context.say(
            f"feedback, round {number}: {words.money(summary.spend_usd)} was enough for {summary.num_examples:,} of "
            f"{summary.num_examples + summary.num_not_asked:,} queries"
        )
    if summary.num_failed:
        if context.weak.has_learned_from(number):
            advice = f"alignment has learned without them; {_retry_advice(context.ledger)}"
        else:
            advice = f"to retry only their calls, delete {str(out / 'summary.json')!r} and run the same command"
        context.say(
            f"feedback, round {number}: {summary.num_failed} of {summary.num_examples} queries failed and are left "
            f"out; {str(out / 'failures.jsonl')!r} says why; {advice}"
        )
    return summary


def _figures(summary: FeedbackSummary) -> dict[str, float | None]:
    counts = ("num_examples", "num_pairs", "num_drafts", "num_positive", "num_negative", "num_unscored", "num_failed")
    figures: dict[str, float | None] = {name: getattr(summary, name) for name in counts}
    figures |= {f"calls/{role}": number for role, number in summary.calls.items()}
    return figures | {"cost_usd": summary.cost_usd, "wall_s": summary.wall_s}


def _refuse_to_change_used_pairs(context: RunContext, number: int) -> None:
    """Refuses to gather feedback again where alignment has learned from its pairs and they could change.

    Raises:
        InputError: some queries failed before and might succeed now.
    """
    failures = context.folder.feedback(number) / "failures.jsonl"
    if context.weak.has_learned_from(number) and failures.is_file() and failures.stat().st_size:
        raise InputError(
            f"Alignment of round {number} has learned from the pairs that exist, and gathering them again might "
            f"change them, since {str(failures)!r} names queries that failed. What to do: "
            f"{_retry_advice(context.ledger)}."
        )


def _retry_advice(ledger: Ledger) -> str:
    return f"to retry only their calls, use a new folder with the same ledger: run=NEW ledger={ledger.path}"


def _reward_model(context: RunContext) -> RewardModel:
    """The reward model of RLWF: an annotator tuned once, before the first round, from the model after SFT."""
    recipe, out = context.recipe, context.folder.annotator
    context.weak.needs_weights("annotator")
    start = context.weak.after_round(0)
    examples = draw(training_rows(context), recipe.feedback.queries, recipe.seed, round_number=0)
    if not context.provenance.is_done("annotator", out, ANNOTATOR_DEPENDENCIES, examples, marker=DONE_MARKER):
        with (
            context.models.closed_afterwards(),
            fingerprints.released_if_refused(out),
            progress_bar("annotator") as bar,
            context.trackers.stage("annotator") as log,
        ):
            weak = context.models.model(start, "weak")
            train_annotator(
                start.model,
                examples,
                chat_template=start.chat_template,
                collaboration=feedback_pair(recipe, context.prompts, weak, weak),  # it only drafts
                task=context.data.task,
                out=out,
                config=recipe.align,
                lora=recipe.lora,
                seed=recipe.seed,
                num_in_flight=num_in_flight(recipe, len(examples)),
                progress=training_progress(bar, log),
            )
    from cowest.training.reward import ImplicitReward

    tuned, reference = TrainedModel.read(out).model, start.model
    return ImplicitReward(model_files.find(tuned), model_files.find(reference), recipe.align.beta, recipe.align)


def _gather(
    context: RunContext,
    examples: Sequence[Example],
    weak: ModelConfig,
    out: Path,
    config: FeedbackConfig,
    task: Task | None,
    reward: RewardModel | None = None,
) -> None:
    recipe = context.recipe
    # Models are closed at the end, which frees memory for the training that comes next.
    with (
        fingerprints.released_if_refused(out, lambda: nothing_sent_or_kept(context.ledger)),
        context.models.closed_afterwards(),
    ):
        strong, weak_model = context.models.strong(), context.models.model(weak, "weak")
        feedback(
            examples,
            weak=weak_model,
            strong=strong,
            judge=context.models.judge(strong),
            out=out,
            config=config,
            format=recipe.format,
            prompts=context.prompts,
            weak_sampling=recipe.weak.sampling,
            strong_sampling=recipe.strong.sampling,
            ledger=context.ledger,
            task=task,
            reward=reward,
            labeller=context.models.labeller(),
            seed=recipe.seed,
            num_in_flight=num_in_flight(recipe, len(examples)),
            load_pairs=False,
        )
