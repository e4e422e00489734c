"""The stage that gathers preferences: a round's feedback, the annotator that RLWF needs, and probes of drafts."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cowest import fingerprints, runs, synchronous
from cowest.annotators import RewardModel
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.models import ModelConfig
from cowest.pipeline.data import Data
from cowest.pipeline.models import Models
from cowest.pipeline.progress import Say, training_progress
from cowest.pipeline.provenance import (
    ALIGN_DEPENDENCIES,
    ANNOTATOR_DEPENDENCIES,
    FEEDBACK_DEPENDENCIES,
    SFT_DEPENDENCIES,
    Provenance,
    probe_dependencies,
)
from cowest.pipeline.weak import WeakModel
from cowest.progress import progress_bar
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.report.feedback import null_control_sentence
from cowest.report.records import Feedback
from cowest.stages.annotator import train_annotator
from cowest.stages.feedback import FeedbackConfig, draw, feedback
from cowest.training import TrainedModel
from cowest.training import weights as model_files
from cowest.training.trained import DONE_MARKER
from cowest.types import Example, GradedExample

RLWF = "rlwf"
"""The kind of feedback that needs a trained annotator."""


class FeedbackStage:
    """Feedback in the run's folder, left out where it is done."""

    def __init__(
        self,
        recipe: Recipe,
        folder: runs.RunFolder,
        prompts: Prompts,
        *,
        data: Data,
        weak: WeakModel,
        provenance: Provenance,
        models: Models,
        ledger: Callable[[], Ledger],
        say: Say,
    ) -> None:
        self._recipe = recipe
        self._folder = folder
        self._prompts = prompts
        self._data = data
        self._weak = weak
        self._provenance = provenance
        self._models = models
        self._ledger = ledger
        self._say = say

    def feedback(self, number: int) -> None:
        """Gathers the preferences of round `number` (Algorithm 1 lines 6 to 25).

        Raises:
            InputError: the round before is not finished, or a stage belongs to another recipe.
        """
        recipe, stage = self._recipe, f"feedback, round {number}"
        self._weak.check_adapter()
        weak = self._weak.after_round(number - 1)
        if number > 1:
            self._provenance.require_same_recipe(
                f"align, round {number - 1}", self._folder.align(number - 1), ALIGN_DEPENDENCIES
            )
        else:
            self._provenance.require_same_recipe("sft", self._folder.sft, SFT_DEPENDENCIES)
        examples = draw(self._data.feedback(), recipe.feedback.queries, recipe.seed, number)
        out = self._folder.feedback(number)
        if self._provenance.is_done(stage, out, FEEDBACK_DEPENDENCIES, examples, marker="summary.json"):
            self._tell_failures(number)
            return
        self._keep_used_pairs(number)
        self._gather(examples, weak, out, recipe.feedback, self._reward() if recipe.feedback.kind == RLWF else None)
        summary = self._tell_failures(number)
        if summary.null_control is not None:
            self._say(f"{stage}, {null_control_sentence(summary.null_control)}")

    def probe(self, number: int, examples: Sequence[Example], out: Path) -> list[GradedExample]:
        """Grades drafts of the weak model after round `number` as collaborative feedback does, leaving no call out."""
        weak = self._weak.after_round(number)
        stage, dependencies = f"probe after round {number}", probe_dependencies(number)
        if not self._provenance.is_done(stage, out, dependencies, examples, marker="summary.json"):
            whole = {"kind": "collaborative", "skip_settled": False, "null_control": 0, "max_pairs": None}
            self._gather(examples, weak, out, self._recipe.feedback.model_copy(update=whole))
        return [GradedExample.model_validate(row) for row in runs.read_jsonl(out / "graded.jsonl")]

    def _tell_failures(self, number: int) -> Feedback:
        """Says which queries were left out and how to try them again; returns the round's summary."""
        out = self._folder.feedback(number)
        summary = Feedback.model_validate(runs.read_json(out / "summary.json"))
        if summary.num_failed:
            if self._weak.has_learned_from(number):
                again = f"alignment has learned without them; {self._elsewhere()}"
            else:
                again = f"to try only their calls again, delete {str(out / 'summary.json')!r} and run the same command"
            self._say(
                f"feedback, round {number}: {summary.num_failed} of {summary.num_examples} queries failed and are left "
                f"out; {str(out / 'failures.jsonl')!r} says why; {again}"
            )
        return summary

    def _keep_used_pairs(self, number: int) -> None:
        """Refuses to gather anew what alignment has learned from, where the pairs could become others.

        Raises:
            InputError: some queries failed then, and may not fail now.
        """
        failures = self._folder.feedback(number) / "failures.jsonl"
        if self._weak.has_learned_from(number) and failures.is_file() and failures.stat().st_size:
            raise InputError(
                f"Alignment of round {number} has learned from the pairs that are there, and gathering them anew might "
                f"change them, since {str(failures)!r} names queries that failed. What to do: {self._elsewhere()}."
            )

    def _elsewhere(self) -> str:
        ledger = self._ledger().path
        return f"to try only their calls again, take a new folder over the same ledger: run=NEW ledger={ledger}"

    def _reward(self) -> RewardModel:
        """The reward of RLWF's annotator, which is tuned once, before the first round, from the model after SFT."""
        recipe, out = self._recipe, self._folder.annotator
        self._weak.needs_weights("annotator")
        start = self._weak.after_round(0)
        examples = draw(self._data.sft(), recipe.feedback.queries, recipe.seed, round_number=0)
        if not self._provenance.is_done("annotator", out, ANNOTATOR_DEPENDENCIES, examples, marker=DONE_MARKER):
            weak = self._models.model(start, "weak")
            with fingerprints.released_if_refused(out), progress_bar("annotator") as bar:
                train_annotator(
                    start.model,
                    examples,
                    collaboration=Collaboration(
                        weak,
                        weak,  # it only drafts
                        format=recipe.format,
                        prompts=self._prompts,
                        weak_sampling=recipe.weak.sampling,
                    ),
                    task=self._data.task,
                    out=out,
                    config=recipe.align,
                    lora=recipe.lora,
                    seed=recipe.seed,
                    num_in_flight=self._models.num_in_flight(len(examples)),
                    progress=training_progress(bar),
                )
            synchronous.run(weak.close())
        from cowest.training.reward import ImplicitReward

        tuned, reference = TrainedModel.read(out).model, start.model
        return ImplicitReward(model_files.find(tuned), model_files.find(reference), recipe.align.beta)

    def _gather(
        self,
        examples: Sequence[Example],
        weak: ModelConfig,
        out: Path,
        config: FeedbackConfig,
        reward: RewardModel | None = None,
    ) -> None:
        recipe = self._recipe
        with fingerprints.released_if_refused(out, self._nothing_sent_or_kept):
            strong, drafting = self._models.strong(), self._models.model(weak, "weak")
            labeller = self._models.labeller()
            feedback(
                examples,
                weak=drafting,
                strong=strong,
                judge=self._models.judge(strong),
                out=out,
                config=config,
                format=recipe.format,
                prompts=self._prompts,
                weak_sampling=recipe.weak.sampling,
                strong_sampling=recipe.strong.sampling,
                ledger=self._ledger(),
                task=self._data.task,
                reward=reward,
                labeller=labeller,
                seed=recipe.seed,
                num_in_flight=self._models.num_in_flight(len(examples)),
            )
        # Training comes next and wants the memory.
        for model in (drafting, strong, *([] if labeller is None else [labeller])):
            synchronous.run(model.close())

    def _nothing_sent_or_kept(self) -> bool:
        """Whether no call of this run was answered and no batch is under way: nothing that another recipe could mix."""
        ledger = self._ledger()
        return not ledger.counts() and not ledger.path.with_suffix(".batches.jsonl").is_file()
