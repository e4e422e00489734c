"""The stages that train the weak model: SFT, and alignment on a round's feedback."""

import contextlib
import functools
import hashlib

from cowest import distributed, fingerprints
from cowest.alignment import Online, load_method
from cowest.errors import InputError
from cowest.models import open_model
from cowest.pipeline.context import RunContext
from cowest.pipeline.explanations import training_rows
from cowest.pipeline.factories import feedback_pair
from cowest.pipeline.models import num_in_flight
from cowest.pipeline.progress import training_progress
from cowest.pipeline.provenance import ALIGN_DEPENDENCIES, FEEDBACK_DEPENDENCIES, SFT_DEPENDENCIES
from cowest.pipeline.ranks import train
from cowest.pipeline.traffic import round_queries
from cowest.progress import progress_bar
from cowest.stages.align import align, holds_nothing, rounds_before
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
    context.free_memory()
    quiet = not distributed.is_main_process()
    with (
        fingerprints.released_if_refused(out),
        progress_bar("sft", quiet=quiet) as bar,
        context.trackers.stage("sft") as log,
    ):
        training = functools.partial(
            sft,
            recipe.weak.model,
            examples,
            out=out,
            config=recipe.sft.model_copy(update={"explanations": None}),  # the rows have them
            lora=recipe.lora,
            format=recipe.format,
            prompts=context.prompts,
            chat_template=recipe.weak.chat_template,
            seed=recipe.seed,
        )
        accumulation = recipe.sft.gradient_accumulation
        train(context, "sft", training, accumulation=accumulation, out=out, shown=training_progress(bar, log))


def gave_nothing(context: RunContext, number: int) -> bool:
    """Whether the feedback of a round, which is done, holds nothing that the recipe's method learns from."""
    config = context.recipe.align
    return holds_nothing(context.folder.feedback(number), config, rounds_before(context.folder, number, config))


def run_align(context: RunContext, number: int) -> None:
    """Alignment on the feedback of round `number`; the reference is the model that drafted (Equation 2).

    Raises:
        InputError: the round has no feedback or nothing to learn from, or a stage belongs to another recipe.
    """
    context.weak.needs_weights("align")
    recipe, stage, feedback = context.recipe, f"align, round {number}", context.folder.feedback(number)
    method = load_method(recipe.align)
    earlier, learned_from = rounds_before(context.folder, number, recipe.align), feedback / method.reads
    if not learned_from.is_file():
        raise InputError(
            f"Round {number} has no feedback yet ({str(learned_from)!r} is missing). Run `cowest feedback` first."
        )
    for each in earlier:
        if not (each / method.reads).is_file():
            raise InputError(
                f"align.replay learns from the rounds before too, and {str(each / method.reads)!r} is missing. Put it "
                "back, or start in another run folder."
            )
    if gave_nothing(context, number):
        raise InputError(
            f"Round {number} gave no {method.noun} to learn from ({str(learned_from)!r}), so there is nothing to "
            f"align. {method.needs}. `cowest show` has the counts; more feedback.queries or feedback.samples, in "
            "another run folder, may give some."
        )
    context.provenance.require_same_recipe(
        f"feedback, round {number}", context.folder.feedback(number), FEEDBACK_DEPENDENCIES
    )
    start = context.weak.after_round(number - 1).model
    out, quiet = context.folder.align(number), not distributed.is_main_process()
    digest = hashlib.sha256()
    for folder in (*earlier, feedback):
        digest.update((folder / method.reads).read_bytes())
    is_done = context.provenance.is_done
    if is_done(stage, out, ALIGN_DEPENDENCIES, (), marker=DONE_MARKER, pairs=digest.hexdigest()):
        return
    context.free_memory()
    with contextlib.ExitStack() as stack:
        online = None
        if method.is_online:
            stack.enter_context(context.models.closed_afterwards())
            online = online_of(context, number)
        stack.enter_context(fingerprints.released_if_refused(out))
        bar = stack.enter_context(progress_bar(stage, quiet=quiet))
        shown = training_progress(bar, stack.enter_context(context.trackers.stage(f"align-{number}")))
        training = functools.partial(
            align,
            start,
            feedback,
            earlier=earlier,
            out=out,
            config=recipe.align,
            lora=recipe.lora,
            format=recipe.format,
            prompts=context.prompts,
            chat_template=recipe.weak.chat_template,
            seed=recipe.seed + number,
        )
        if online is None:
            accumulation = recipe.align.gradient_accumulation
            train(context, stage, training, accumulation=accumulation, out=out, shown=shown)
        else:  # this process has the ledger, and the limits of a key
            training(progress=shown, online=online)


def online_of(context: RunContext, number: int) -> Online:
    """The models and queries of a round whose method drafts while it trains.

    Raises:
        InputError: a model cannot be opened.
    """
    recipe = context.recipe
    examples = round_queries(recipe, context.data.feedback, context.folder.feedback(number), number)
    strong = open_model(context.models.strong(), role="strong", ledger=context.ledger)
    return Online(
        examples={example.id: example for example in examples},
        collaboration=feedback_pair(recipe, context.prompts, strong, strong),  # training drafts
        judge=context.models.judge(strong),
        num_in_flight=num_in_flight(recipe, len(examples)),
    )
