"""Problems with the endpoints that a recipe names, as far as they show without sending anything."""

from collections.abc import Mapping

from cowest.errors import InputError
from cowest.models import ModelConfig, load_model
from cowest.recipe import IN_PROCESS


def endpoint_problems(configs: Mapping[str, ModelConfig]) -> dict[str, str]:
    """By role: a missing key, address or package, or an invalid option; one line each.

    The same problem is listed once, for instance where the judge is the strong model.
    """
    problems: dict[str, str] = {}
    for role, config in configs.items():
        if config.provider in IN_PROCESS:
            continue
        try:
            load_model(config, role=role)
        except InputError as error:
            problem = " ".join(str(error).split())
            if problem not in problems.values():
                problems[role] = problem
    return problems
