"""From a recipe's section to a model that is ready to be called in a role."""

from collections.abc import Sequence

from pydantic import ValidationError

from cowest import plugins
from cowest.engines import Fleet
from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.models.config import ModelConfig
from cowest.models.connection import connect
from cowest.models.metered import Metered


def load_model(
    config: ModelConfig | str,
    *,
    role: str,
    ledger: Ledger | None = None,
    seed: int = 0,
    shared_with: Sequence[str] = (),
    fleet: Fleet | None = None,
) -> Metered:
    """Builds the model that `config` names.

    Args:
        config: the recipe's section, or only PROVIDER/NAME.
        role: what it is in the run, e.g. "weak", "strong", "judge": the name its calls are kept and counted under.
        ledger: where its calls are kept; None keeps nothing.
        seed: of sampling in process, and of the waits between retries.
        shared_with: other roles that call this very model, such as the judge where it is the strong one: what they
            spent in earlier processes counts towards the same budget.
        fleet: has the servers that this process starts; None is one for models that belong to no run.

    Raises:
        InputError: the provider, the model or a setting is wrong; nothing was called.
    """
    if isinstance(config, str):
        config = _parse(config)
    # What the ledger knows is neither paced nor paid, so it stands above the connection.
    return Metered(connect(config, roles=(role, *shared_with), ledger=ledger, seed=seed, fleet=fleet), role, ledger)


def _parse(name: str) -> ModelConfig:
    try:
        return ModelConfig(model=name)
    except ValidationError as error:
        raise InputError(
            f"{name!r} names no model. Write PROVIDER/NAME, such as openai/gpt-4.1, or local/FOLDER for a model "
            f"on disk; providers: {', '.join(plugins.choices('cowest.models.providers'))}."
        ) from error
