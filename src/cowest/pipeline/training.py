"""The stages that train the weak model: SFT, and alignment on a round's pairs."""

import hashlib
from collections.abc import Sequence

from cowest import distributed, fingerprints, runs
from cowest.errors import InputError
from cowest.pipeline.progress import training_progress
from cowest.pipeline.provenance import ALIGN_DEPENDENCIES, FEEDBACK_DEPENDENCIES, SFT_DEPENDENCIES, Provenance
from cowest.pipeline.weak import WeakModel
from cowest.progress import progress_bar
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.stages.align import align
from cowest.stages.sft import sft
from cowest.training.trained import DONE_MARKER
from cowest.types import Example


class TrainingStages:
    """SFT and alignment in the run's folder, each left out where it is done."""

    def __init__(
        self, recipe: Recipe, folder: runs.RunFolder, prompts: Prompts, weak: WeakModel, provenance: Provenance
    ) -> None:
        self._recipe = recipe
        self._folder = folder
        self._prompts = prompts
        self._weak = weak
        self._provenance = provenance

    def sft(self, examples: Sequence[Example]) -> None:
        """Supervised fine-tuning of the weak model (section 3.2)."""
        recipe, out = self._recipe, self._folder.sft
        if self._provenance.is_done("sft", out, SFT_DEPENDENCIES, examples, marker=DONE_MARKER):
            return
        quiet = not distributed.is_main_process()
        with fingerprints.released_if_refused(out), progress_bar("sft", quiet=quiet) as bar:
            sft(
                recipe.weak.model,
                examples,
                out=out,
                config=recipe.sft,
                lora=recipe.lora,
                format=recipe.format,
                prompts=self._prompts,
                seed=recipe.seed,
                progress=training_progress(bar),
            )

    def align(self, number: int) -> None:
        """Preference tuning on the pairs of round `number`; the reference is the model that drafted (Equation 2).

        Raises:
            InputError: the round has no pairs, or a stage belongs to another recipe.
        """
        recipe, stage = self._recipe, f"align, round {number}"
        pairs = self._weak.pairs(number)
        if not pairs.is_file():
            raise InputError(
                f"Round {number} has no pairs yet ({str(pairs)!r} is missing). Run `cowest feedback` first."
            )
        if pairs.stat().st_size == 0:
            raise InputError(
                f"Round {number} gave no pair ({str(pairs)!r} is empty): for no query was one draft better and another "
                "worse than the strong model alone, so there is nothing to align. `cowest show` tells the counts; "
                "more feedback.queries or feedback.samples, in another run folder, may give some."
            )
        self._provenance.require_same_recipe(
            f"feedback, round {number}", self._folder.feedback(number), FEEDBACK_DEPENDENCIES
        )
        start = self._weak.after_round(number - 1).model
        out, quiet = self._folder.align(number), not distributed.is_main_process()
        digest = hashlib.sha256(pairs.read_bytes()).hexdigest()
        if self._provenance.is_done(stage, out, ALIGN_DEPENDENCIES, (), marker=DONE_MARKER, pairs=digest):
            return
        with fingerprints.released_if_refused(out), progress_bar(stage, quiet=quiet) as bar:
            align(
                start,
                pairs,
                out=out,
                config=recipe.align,
                lora=recipe.lora,
                seed=recipe.seed + number,
                progress=training_progress(bar),
            )
