"""The stage that measures the recipe's methods, and the pair as it is now."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cowest import runs
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.gating.calibration import calibrate
from cowest.ledger import Ledger
from cowest.methods import Setting, make_methods
from cowest.models import ChatModel, open_model
from cowest.models.tokens import TokenCounter
from cowest.pipeline.data import Data
from cowest.pipeline.models import Models
from cowest.pipeline.progress import Say
from cowest.pipeline.provenance import EVALUATION_DEPENDENCIES, TRAINING_DEPENDENCIES, Provenance
from cowest.pipeline.weak import WeakModel
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.report.records import Results
from cowest.retrieval import Retriever
from cowest.stages.evaluate import evaluate
from cowest.training.trained import DONE_MARKER


class EvaluationStage:
    """Evaluation in the run's folder, left out where it is done."""

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
        say: Say,
    ) -> None:
        self._recipe = recipe
        self._folder = folder
        self._prompts = prompts
        self._data = data
        self._weak = weak
        self._provenance = provenance
        self._models = models
        self._say = say

    def evaluate(self) -> dict[str, Any]:
        """Measures the recipe's methods with whatever rounds are finished; returns what results.json holds.

        Raises:
            InputError: SFT belongs to another recipe, or a method cannot work here.
        """
        recipe, out = self._recipe, self._folder.evaluate
        # Other data or another strong model may be measured with a trained weak model; another training may not.
        if (self._folder.sft / DONE_MARKER).is_file():
            self._provenance.require_same_recipe("sft", self._folder.sft, TRAINING_DEPENDENCIES)
        examples = self._data.evaluation()
        results_file = out / "results.json"
        inputs = self._provenance.inputs(
            EVALUATION_DEPENDENCIES, examples, rounds_done=len(self._weak.finished_rounds())
        )
        if self._retriever is not None:
            inputs["corpus"] = self._retriever.digest
        if results_file.is_file() and self._provenance.is_made_from(out, EVALUATION_DEPENDENCIES, inputs):
            results = _results_in(results_file)
            failed = [name for name, row in results["methods"].items() if "failed" in row]
            if not failed:
                self._say("evaluate: done before")
                self._tell_failures(results)
                return results
            self._say(f"evaluate: once more, since every call of {', '.join(failed)} failed")
        self._say("evaluate")
        strong = self._models.strong()
        weak = {name: self._models.model(config, "weak") for name, config in self._weak.stages().items()}
        methods = make_methods(recipe.evaluate.methods, self.setting(weak, strong))
        # Only now: what is wrong with the input must not cost the results that are there.
        results_file.unlink(missing_ok=True)
        runs.write_json(out / "inputs.json", inputs)
        self._provenance.keep_recipe()
        num_in_flight = self._models.num_in_flight(len(examples))
        summaries = {number: self._folder.feedback(number) / "summary.json" for number in self._weak.finished_rounds()}
        harvests = {number: runs.read_json(file) for number, file in summaries.items() if file.is_file()}
        results = evaluate(examples, methods, out=out, seed=recipe.seed, num_in_flight=num_in_flight, harvests=harvests)
        self._tell_failures(results)
        return results

    def gate(self, ledger: Ledger) -> dict[str, Any]:
        """Learns `serve.gate` on the validation split with the pair as it is now; returns what gate.json holds.

        Raises:
            InputError: SFT belongs to another recipe, or the gate cannot be learned here.
        """
        recipe = self._recipe
        if (self._folder.sft / DONE_MARKER).is_file():
            self._provenance.require_same_recipe("sft", self._folder.sft, TRAINING_DEPENDENCIES)
        validation, test = self._data.gate()
        result = calibrate(
            validation,
            test,
            pair=self.collaboration(ledger),
            task=self._data.task,
            config=recipe.serve.gate,
            models={"weak": recipe.weak, "strong": recipe.strong},
            out=self._folder.gate,
            seed=recipe.seed,
            num_in_flight=recipe.strong.max_concurrency,
            say=self._say,
        )
        self._provenance.keep_recipe()
        return result

    def setting(self, weak: Mapping[str, ChatModel], strong: ChatModel) -> Setting:
        """What the recipe's methods are made from, with the weak model's stages by name."""
        recipe = self._recipe
        return Setting(
            weak=weak,
            strong=strong,
            collaborate=self._collaboration_of(strong),
            task=self._data.task,
            seed=recipe.seed,
            options=recipe.evaluate.settings,
            retriever=self._retriever,
            unseen=self._data.unseen,
            logprobs={"weak": recipe.weak.gives_logprobs, "strong": recipe.strong.gives_logprobs},
            count_tokens=self._count_tokens,
        )

    def collaboration(self, ledger: Ledger | None) -> Collaboration:
        """The last finished round's weak model, or the one after SFT, with the strong model; never in batches.

        Args:
            ledger: where calls are found and kept, if they are.

        Raises:
            InputError: SFT is not finished.
        """
        configs = {"weak": self._weak.after_round(self._weak.num_rounds_done()), "strong": self._recipe.strong}
        weak, strong = (
            open_model(config.model_copy(update={"batch": False}), role=role, ledger=ledger, seed=self._recipe.seed)
            for role, config in configs.items()
        )
        return self._collaboration_of(strong)(weak)

    def _collaboration_of(self, strong: ChatModel) -> Callable[[ChatModel], Collaboration]:
        recipe = self._recipe
        return lambda weak: Collaboration(
            weak,
            strong,
            format=recipe.format,
            prompts=self._prompts,
            weak_sampling=recipe.evaluate.weak_sampling or recipe.weak.sampling,
            strong_sampling=recipe.evaluate.strong_sampling or recipe.strong.sampling,
        )

    def _tell_failures(self, results: dict[str, Any]) -> None:
        failed = {name: row["num_failed"] for name, row in results["methods"].items() if row.get("num_failed")}
        if failed:
            counts = ", ".join(f"{name} {count}" for name, count in failed.items())
            self._say(
                f"evaluate: of {results['num_examples']} queries each, so many failed and count as wrong: {counts}; to "
                f"try only their calls again, delete {str(self._folder.evaluate / 'results.json')!r} and run the same "
                "command"
            )

    def _count_tokens(self, text: str) -> int:
        return self._strong_tokens.count(text)

    @cached_property
    def _strong_tokens(self) -> TokenCounter:
        return TokenCounter(self._recipe.strong)

    @cached_property
    def _retriever(self) -> Retriever | None:
        config = self._recipe.retrieval
        return None if config.corpus is None else Retriever(config.corpus, config.top_k, self._folder.retrieval)


def _results_in(file: Path) -> dict[str, Any]:
    results: dict[str, Any] = runs.read_json(file)
    try:
        Results.model_validate(results)
    except ValidationError as error:
        raise InputError(
            f"{str(file)!r} does not hold results ({error.error_count()} faults). Delete it to have it made again; "
            "what was paid for is kept."
        ) from error
    return results
