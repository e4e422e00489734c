"""What each stage's result depends on: whether its folder is done, or belongs to another recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cowest import claims, distributed, runs
from cowest.models import ModelConfig
from cowest.pipeline.saying import Say
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.types import Example

SFT_KEYS = ("seed", "task", "format", "weak.model", "lora", "sft", "prompts")
"""What a finished SFT depends on; a run folder whose stage was made with other values belongs to another recipe."""

TRAINING_KEYS = ("seed", "format", "weak.model", "lora", "sft")
FEEDBACK_KEYS = (
    *SFT_KEYS,
    *("weak.base_url", "weak.sampling", "weak.redact"),
    *("strong.model", "strong.base_url", "strong.sampling", "strong.redact", "judge", "feedback"),
)
JUDGE_KEYS = ("model", "base_url", "sampling", "repeats")
ALIGN_KEYS = (*FEEDBACK_KEYS, "align")
EVALUATE_KEYS = (*ALIGN_KEYS, "rounds", "evaluate", "retrieval")


class Belonging:
    """Which recipe the folders of a run's stages belong to.

    Args:
        recipe: the one at work.
        folder: the run's.
        prompts: the recipe's templates.
        say: takes one line for each stage that is asked about.
    """

    def __init__(self, recipe: Recipe, folder: runs.RunFolder, prompts: Prompts, say: Say) -> None:
        self._recipe = recipe
        self._folder = folder
        self._prompts = prompts
        self._say = say

    def inputs(self, keys: Sequence[str], examples: Sequence[Example]) -> dict[str, Any]:
        """What a stage with these keys is made from, as its inputs.json holds it."""
        recipe = self._recipe.model_dump(mode="json", by_alias=True)
        if isinstance(self._recipe.judge, ModelConfig):  # its limits and its budget may change, as those of strong may
            recipe["judge"] = {key: recipe["judge"][key] for key in JUDGE_KEYS}
        return claims.inputs_of(recipe, keys, examples, self._prompts)

    def goes_on_from(self, stage: str, out: Path, keys: Sequence[str]) -> None:
        """Refuses to go on from a stage that was made by another recipe.

        Raises:
            InputError: it was.
        """
        inputs = self.inputs(keys, ())
        claims.check(stage, out, {key: value for key, value in inputs.items() if key != "examples"})

    def is_done(self, stage: str, out: Path, keys: Sequence[str], examples: Sequence[Example], marker: str) -> bool:
        """Whether the stage is finished; claims its folder for this recipe if it is new.

        Raises:
            InputError: the folder belongs to another recipe.
        """
        if distributed.is_main_process():
            is_new = claims.claim(stage, out, self.inputs(keys, examples))
            if is_new:
                self.keep_recipe()
        done = (out / marker).is_file()
        self._say(f"{stage}: done before" if done else stage)
        return done

    def keep_recipe(self) -> None:
        """Writes the recipe as resolved into the run's folder."""
        runs.write_text(self._folder.recipe, self._recipe.to_yaml())
