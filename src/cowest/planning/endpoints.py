"""Problems with the endpoints and engines that a recipe names, as far as they show without sending anything."""

from collections.abc import Mapping

from cowest import words
from cowest.engines import EngineConfig
from cowest.engines.gpus import places
from cowest.engines.version import find_program
from cowest.errors import InputError
from cowest.models import ModelConfig, load_model
from cowest.recipe import IN_PROCESS


def endpoint_problems(configs: Mapping[str, ModelConfig]) -> dict[str, str]:
    """By role: a missing key, address, package or engine, or an invalid option; one line each.

    The same problem is listed once, for instance where the judge is the strong model.
    """
    problems: dict[str, str] = {}
    for role, config in configs.items():
        if config.provider in IN_PROCESS and not config.is_served:
            continue
        try:
            if config.is_served:
                find_program((config.vllm or EngineConfig()).command)
            else:
                load_model(config, role=role)
        except InputError as error:
            problem = " ".join(str(error).split())
            if problem not in problems.values():
                problems[role] = problem
    return problems


def servers(configs: Mapping[str, ModelConfig]) -> dict[str, str]:
    """By role: the servers that the run starts, in words; judges that are the strong model have none of their own."""
    started: dict[str, str] = {}
    for role, config in configs.items():
        if config.is_served and (role == "strong" or config is not configs["strong"]):
            started[role] = _in_words(config.vllm or EngineConfig())
    return started


def _in_words(engine: EngineConfig) -> str:
    gpus = places(engine)
    on = f" on GPU {'; '.join(', '.join(each) for each in gpus)}" if any(gpus) else ""
    return f"{words.plural(len(gpus), 'server')} of {engine.command[0]}{on}"
