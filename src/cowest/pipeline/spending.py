"""Whether a recipe's limits on money can be kept, as far as the recipe says."""

from cowest.annotators import RLAIF
from cowest.errors import InputError
from cowest.models import ModelConfig
from cowest.models.budgeted import NO_LONGEST_REPLY
from cowest.recipe import IN_PROCESS, Recipe
from cowest.stages.feedback import require_worst_case


def check_spending(recipe: Recipe) -> None:
    """Checks `budget_usd` of every model and `feedback.spend`.

    Raises:
        InputError: a call has no longest reply, a price is missing, or the limit is for calls that are not made.
    """
    judges = {role: each for role, each in recipe.judge_models().items() if isinstance(each, ModelConfig)}
    models = {"weak": recipe.weak, "strong": recipe.strong, **judges}
    if recipe.feedback.labeller is not None and recipe.feedback.kind == RLAIF:
        models["feedback.labeller"] = recipe.feedback.labeller
    for config in models.values():
        if config.budget_usd is not None and config.provider not in IN_PROCESS and config.sampling.max_tokens is None:
            raise InputError(NO_LONGEST_REPLY.format(name=config.model))
    if recipe.feedback.spend is not None:
        asked = {"strong": recipe.strong, **judges}
        require_worst_case(
            recipe.feedback.kind,
            {role: None if config.provider in IN_PROCESS else config.cost_usd for role, config in asked.items()},
            recipe.weak.sampling,
            recipe.strong.sampling,
        )
