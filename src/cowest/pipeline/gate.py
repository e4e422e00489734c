"""Learns `serve.gate` for the pair as it is now, in the run's folder."""

from typing import Any

from cowest import runs
from cowest.collaboration import Collaboration
from cowest.pipeline.belonging import ON_TRAINING, Belonging
from cowest.pipeline.data import Data
from cowest.pipeline.saying import Say
from cowest.recipe import Recipe
from cowest.stages.evaluate import chosen
from cowest.stages.gate import calibrate
from cowest.training.trained import DONE_MARKER


def learn_gate(
    recipe: Recipe, folder: runs.RunFolder, pair: Collaboration, *, data: Data, belonging: Belonging, say: Say
) -> dict[str, Any]:
    """Calibrates on the validation split and tries the gate on what of the test split is measured.

    Raises:
        InputError: SFT belongs to another recipe, there is no validation split, or the gate cannot be calibrated.
    """
    if (folder.sft / DONE_MARKER).is_file():
        belonging.goes_on_from("sft", folder.sft, ON_TRAINING)
    task = data.settled
    result = calibrate(
        task.validation,
        chosen(task.test, recipe.evaluate) if recipe.task.test is not None else (),
        pair=pair,
        task=task,
        config=recipe.serve.gate,
        models={"weak": recipe.weak, "strong": recipe.strong},
        out=folder.gate,
        seed=recipe.seed,
        num_in_flight=recipe.strong.max_concurrency,
        say=say,
    )
    belonging.keep_recipe()
    return result
