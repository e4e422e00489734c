"""The training rows as SFT sees them: with the strong model's explanations, where the recipe asks for them."""

import time
from collections.abc import Sequence
from pathlib import Path

from cowest import distributed, fingerprints, synchronous
from cowest.errors import InputError
from cowest.pipeline.context import RunContext
from cowest.pipeline.models import nothing_sent_or_kept, num_in_flight
from cowest.pipeline.provenance import EXPLANATION_DEPENDENCIES, SFT_DEPENDENCIES
from cowest.recipe import Recipe
from cowest.records import ExplainedExample, ExplanationSummary, read_rows
from cowest.stages.explanations import explain, with_explanations
from cowest.stages.sft import base_weights
from cowest.training.weights import for_training
from cowest.types import Example

STAGE, ROWS, MARKER = "explanations", "explanations.jsonl", "summary.json"


def asks_for_explanations(recipe: Recipe) -> bool:
    """Whether the strong model explains training rows before SFT."""
    return recipe.sft.explanations is not None and recipe.weak.provider == "local"


def training_rows(context: RunContext) -> Sequence[Example]:
    """The rows of SFT; those without an explanation are explained first, if the recipe says so and it is not done.

    Under `accelerate launch` the first process makes the calls, and the others wait for its file.

    Raises:
        InputError: the explanations belong to another recipe, or SFT has begun without them.
        EndpointError, BudgetError: nothing is lost, and the same call goes on.
    """
    examples, out = context.data.sft(), context.folder.explanations
    if not asks_for_explanations(context.recipe):
        return examples
    if not distributed.is_main_process():
        _wait_for(out / MARKER)
    elif not _is_done(context, examples, out):
        _explain(context, examples, out)
    return with_explanations(examples, _rows(out), context.data.task)


def explanations_behind(context: RunContext) -> ExplanationSummary | None:
    """The counts and costs of the explanations that SFT learned from; None where it learned from none."""
    file = context.folder.explanations / MARKER
    return ExplanationSummary.read(file) if asks_for_explanations(context.recipe) and file.is_file() else None


def _is_done(context: RunContext, examples: Sequence[Example], out: Path) -> bool:
    if not (out / MARKER).is_file():  # before any call
        for_training(base_weights(context.recipe.weak.model, context.recipe.weak.chat_template), context.recipe.lora)
        context.provenance.require_same_recipe("sft", context.folder.sft, SFT_DEPENDENCIES)
        _keep_used(context, out)
    return context.provenance.is_done(STAGE, out, EXPLANATION_DEPENDENCIES, examples, marker=MARKER)


def _explain(context: RunContext, examples: Sequence[Example], out: Path) -> None:
    recipe = context.recipe
    with fingerprints.released_if_refused(out, lambda: nothing_sent_or_kept(context.ledger)):
        strong = context.models.strong()
        explain(
            examples,
            strong=strong,
            out=out,
            task=context.data.task,
            format=recipe.format,
            prompts=context.prompts,
            strong_sampling=recipe.strong.sampling,
            ledger=context.ledger,
            seed=recipe.seed,
            num_in_flight=num_in_flight(recipe, max(1, len(examples))),
        )
    synchronous.run(strong.close())  # training comes next and wants the memory
    summary = ExplanationSummary.read(out / MARKER)
    again = f"; to try only failed calls again, delete {str(out / MARKER)!r} before SFT begins"
    context.say(
        f"{STAGE}: of {summary.num_examples} rows without one {summary.num_kept} are kept, {summary.num_rejected} "
        f"rejected and {summary.num_failed} failed{again if summary.num_failed else ''}"
    )


def _keep_used(context: RunContext, out: Path) -> None:
    """Refuses to explain anew what SFT has learned from, where the explanations could change.

    Raises:
        InputError: some rows failed then, and may not fail now.
    """
    begun = (context.folder.sft / fingerprints.INPUTS).is_file() and (out / ROWS).is_file()
    if begun and any(row.outcome == "failed" for row in _rows(out)):
        raise InputError(
            f"SFT has learned from the explanations that are there, and making them anew might change them, since "
            f"{str(out / ROWS)!r} names rows that failed. What to do: to try only their calls again, take a new folder "
            f"over the same ledger: run=NEW ledger={context.ledger.path}."
        )


def _rows(out: Path) -> list[ExplainedExample]:
    return list(read_rows(out / ROWS, ExplainedExample, "explanation"))


def _wait_for(file: Path) -> None:
    while not file.is_file():
        time.sleep(0.5)
