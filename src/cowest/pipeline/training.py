"""The stages that train the weak model: SFT, and alignment on a round's pairs."""

import hashlib

from cowest import distributed, fingerprints
from cowest.errors import InputError
from cowest.pipeline.context import RunContext
from cowest.pipeline.explanations import training_rows
from cowest.pipeline.progress import training_progress
from cowest.pipeline.provenance import ALIGN_DEPENDENCIES, FEEDBACK_DEPENDENCIES, SFT_DEPENDENCIES
from cowest.progress import progress_bar
from cowest.stages.align import align
from cowest.stages.sft import sft
from cowest.training.trained import DONE_MARKER


def run_sft(context: RunContext) -> None:
    """Supervised fine-tuning of the weak model (section 3.2); skipped where it is done.

    Raises:
        InputError: the weak model is not local, or the folder belongs to another recipe.
    """
    context.weak.needs_weights("sft")
    recipe, out, examples = context.recipe, context.folder.sft, training_rows(context)
    if context.provenance.is_done("sft", out, SFT_DEPENDENCIES, examples, marker=DONE_MARKER):
        return
    quiet = not distributed.is_main_process()
    with (
        fingerprints.released_if_refused(out),
        progress_bar("sft", quiet=quiet) as bar,
        context.trackers.stage("sft") as log,
    ):
        sft(
            recipe.weak.model,
            examples,
            out=out,
            config=recipe.sft.model_copy(update={"explanations": None}),  # the rows have them
            lora=recipe.lora,
            format=recipe.format,
            prompts=context.prompts,
            chat_template=recipe.weak.chat_template,
            seed=recipe.seed,
            progress=training_progress(bar, log),
        )


def run_align(context: RunContext, number: int) -> None:
    """Preference tuning on the pairs of round `number`; the reference is the model that drafted (Equation 2).

    Raises:
        InputError: the round has no pairs, or a stage belongs to another recipe.
    """
    context.weak.needs_weights("align")
    recipe, stage, pairs = context.recipe, f"align, round {number}", context.weak.pairs(number)
    if not pairs.is_file():
        raise InputError(f"Round {number} has no pairs yet ({str(pairs)!r} is missing). Run `cowest feedback` first.")
    if pairs.stat().st_size == 0:
        raise InputError(
            f"Round {number} gave no pair ({str(pairs)!r} is empty): for no query was one draft better and another "
            "worse than the strong model alone, so there is nothing to align. `cowest show` has the counts; "
            "more feedback.queries or feedback.samples, in another run folder, may give some."
        )
    context.provenance.require_same_recipe(
        f"feedback, round {number}", context.folder.feedback(number), FEEDBACK_DEPENDENCIES
    )
    start = context.weak.after_round(number - 1).model
    out, quiet = context.folder.align(number), not distributed.is_main_process()
    digest = hashlib.sha256(pairs.read_bytes()).hexdigest()
    if context.provenance.is_done(stage, out, ALIGN_DEPENDENCIES, (), marker=DONE_MARKER, pairs=digest):
        return
    context.free_memory()
    with (
        fingerprints.released_if_refused(out),
        progress_bar(stage, quiet=quiet) as bar,
        context.trackers.stage(f"align-{number}") as log,
    ):
        align(
            start,
            pairs,
            out=out,
            config=recipe.align,
            lora=recipe.lora,
            chat_template=recipe.weak.chat_template,
            seed=recipe.seed + number,
            progress=training_progress(bar, log),
        )
