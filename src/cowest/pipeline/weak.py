"""The weak model after each stage: its location, and which rounds are finished."""

from pathlib import Path

from cowest import runs
from cowest.errors import InputError
from cowest.method_names import weak_stage
from cowest.models import ModelConfig
from cowest.recipe import Recipe
from cowest.training import TrainedModel
from cowest.training import weights as model_files
from cowest.training.trained import DONE_MARKER


class WeakModel:
    """The recipe's weak model in the run's folder, after each stage; opens nothing.

    A weak model on a server is not trained and stays the same.
    """

    def __init__(self, recipe: Recipe, folder: runs.RunFolder) -> None:
        self._recipe = recipe
        self._folder = folder

    @property
    def is_trained_here(self) -> bool:
        """Whether its weights are local, so that it can be trained."""
        return self._recipe.weak.provider == "local"

    @property
    def base(self) -> ModelConfig:
        """The model before any training, with its weights held as `lora` says for training."""
        weak, quantize = self._recipe.weak, self._recipe.lora.quantize
        if quantize is None or not self.is_trained_here:
            return weak
        return weak.model_copy(update={"options": weak.options | {"quantize": quantize}})

    @property
    def num_rounds(self) -> int:
        """The rounds that `cowest run` makes: the recipe's, or one where nothing is trained in between."""
        return self._recipe.rounds if self.is_trained_here else 1

    @property
    def has_base(self) -> bool:
        """Whether there is a model before SFT to evaluate: `weak.model`, unless `sft.from` is that same model."""
        is_another = self._recipe.sft.from_ is None or self.before_feedback().model != self._recipe.weak.model
        return self.is_trained_here and is_another

    def needs_weights(self, stage: str) -> None:
        """Checks that `stage` has weights to train.

        Raises:
            InputError: the weak model is on a server.
        """
        if not self.is_trained_here:
            raise InputError(
                f"{stage} trains the weak model's weights, but weak.model is {self._recipe.weak.model!r}. "
                "Give local/FOLDER. A weak model on a server can take part in feedback and evaluate only."
            )

    def before_feedback(self) -> ModelConfig:
        """The model known before any stage: the one from which SFT starts, or that replaces SFT (`sft.from`)."""
        given = self._recipe.sft.from_
        return self.base if given is None or not self.is_trained_here else self._with_model(given)

    def check_adapter(self) -> None:
        """Checks that alignment can continue from the adapter of `sft.from`; opens nothing.

        Raises:
            InputError: its shape or how its base was held differs from `lora`, or it does not exist.
        """
        given = self._recipe.sft.from_
        if given is not None and self.is_trained_here:
            model_files.for_training(model_files.find(given), self._recipe.lora)

    def after_round(self, number: int) -> ModelConfig:
        """The weak model after round `number`; 0 is after SFT.

        Raises:
            InputError: that stage is not finished.
        """
        if not self.is_trained_here and number == 0:
            return self._recipe.weak
        folder = self._folder.sft if number == 0 else self._folder.align(number)
        if not (folder / DONE_MARKER).is_file():
            stage = "sft" if number == 0 else f"align of round {number}"
            raise InputError(
                f"The weak model after {stage} is not there yet ({str(folder)!r}). "
                f"Run `cowest {stage.split(maxsplit=1)[0]}` first, or `cowest run` for all stages."
            )
        return self._with_model(TrainedModel.read(folder).model)

    def stages(self) -> dict[str, ModelConfig]:
        """The model after each finished stage, by the names that methods use.

        Raises:
            InputError: SFT is not finished.
        """
        configs = {"sft": self.after_round(0)}
        if self.has_base:
            configs["base"] = self.base
        return configs | {weak_stage(number): self.after_round(number) for number in self.finished_rounds()}

    def stage_names(self) -> list[str]:
        """The names that methods use for all stages, finished or not."""
        if not self.is_trained_here:
            return ["sft"]
        base = ["base"] if self.has_base else []
        return ["sft", *base, *(weak_stage(number) for number in range(1, self._recipe.rounds + 1))]

    def finished_rounds(self) -> list[int]:
        """The recipe's rounds whose alignment is finished."""
        return [number for number in range(1, self._recipe.rounds + 1) if self.is_aligned(number)]

    def num_rounds_done(self) -> int:
        """How many rounds of alignment are finished without a gap."""
        number = 0
        while self.is_trained_here and self.is_aligned(number + 1):
            number += 1
        return number

    def next_round(self) -> int:
        """The first round whose alignment is not finished; the last round if all are."""
        for number in range(1, self._recipe.rounds + 1):
            if not self.is_aligned(number):
                return number
        return self._recipe.rounds

    def is_aligned(self, number: int) -> bool:
        """Whether the alignment of this round is finished."""
        return (self._folder.align(number) / DONE_MARKER).is_file()

    def has_learned_from(self, number: int) -> bool:
        """Whether the alignment of this round has begun, so that its pairs must not change."""
        folder = self._folder.align(number)
        return (folder / "inputs.json").is_file() or self.is_aligned(number)

    def pairs(self, number: int) -> Path:
        """The path of this round's preference pairs, whether it exists or not."""
        return self._folder.feedback(number) / "pairs.jsonl"

    def _with_model(self, location: str) -> ModelConfig:
        name = location if location.startswith("local/") else f"local/{location}"
        return self.base.model_copy(update={"model": name})
