"""The models that a recipe calls, by role."""

from cowest.annotators import RLAIF
from cowest.models import ModelConfig
from cowest.recipe import Recipe


def configs_of(recipe: Recipe) -> dict[str, ModelConfig]:
    """The models that a recipe calls, by role."""
    configs: dict[str, ModelConfig] = {"weak": recipe.weak, "strong": recipe.strong}
    configs |= {
        role: recipe.strong if isinstance(judge, str) else judge for role, judge in recipe.judge_models().items()
    }
    if recipe.feedback.kind == RLAIF and recipe.feedback.labeller is not None:
        configs["labeller"] = recipe.feedback.labeller
    return configs
