"""What stands in the way of the endpoints that a recipe names, as far as that shows without sending anything."""

from collections.abc import Mapping

from cowest.errors import InputError
from cowest.models import ModelConfig, load_model
from cowest.recipe import IN_PROCESS


def endpoint_problems(configs: Mapping[str, ModelConfig]) -> dict[str, str]:
    """By role: no key, no address, an option that cannot be set, or a package that is missing; one line each.

    A judge that is the strong model is not named apart.
    """
    found: dict[str, str] = {}
    for role, config in configs.items():
        if config.provider in IN_PROCESS:
            continue
        try:
            load_model(config, role=role)
        except InputError as error:
            problem = " ".join(str(error).split())
            if problem not in found.values():
                found[role] = problem
    return found
