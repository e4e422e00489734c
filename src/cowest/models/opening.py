"""Opening whatever a caller holds: a name, a config, a trained model, or a model that is open already."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from cowest.checking import check
from cowest.engines import Fleet
from cowest.ledger import Ledger
from cowest.models.base import ChatModel
from cowest.models.config import ModelConfig
from cowest.models.connection import Connection
from cowest.models.load import load_model
from cowest.models.metered import Metered


@runtime_checkable
class Named(Protocol):
    """What training returns: it has the name of a model, "local/FOLDER"."""

    @property
    def model(self) -> str:
        """PROVIDER/NAME."""
        ...


Openable = str | ModelConfig | ChatModel | Named


def open_model(
    what: Openable,
    *,
    role: str,
    ledger: Ledger | None = None,
    seed: int = 0,
    shared_with: Sequence[str] = (),
    fleet: Fleet | None = None,
) -> Metered:
    """Opens a model for a role.

    Args:
        what: PROVIDER/NAME, a config, what `sft` or `align` returned, or an open model. An open model keeps its
            connection or its weights; only its role and ledger change.
        role: the name its calls are counted and kept under.
        ledger: where its calls are kept; None leaves it as it is.
        seed: of sampling in process.
        shared_with: other roles whose spend counts towards the budget of this model.
        fleet: has the servers that this process starts; None is one for models that belong to no run.

    Examples:
        >>> import cowest
        >>> cowest.open_model(cowest.ScriptedModel(lambda request: "Rating: [[8]]"), role="judge")
        <model scripted/test, 0 calls, $0>

    Raises:
        InputError: the model cannot be opened.
    """
    if isinstance(what, Metered):
        ledger = ledger or what.ledger
        if what.role == role and ledger is what.ledger:
            return what
        return Metered(what.connection, role, ledger)
    if isinstance(what, ChatModel):
        return Metered(Connection(what), role, ledger)
    if isinstance(what, str | ModelConfig):
        return load_model(what, role=role, ledger=ledger, seed=seed, shared_with=shared_with, fleet=fleet)
    return load_model(what.model, role=role, ledger=ledger, seed=seed)


def model(name: str, **settings: Any) -> Metered:
    """A model by name with the settings of a recipe's section.

    Examples:
        >>> import cowest
        >>> cowest.model("openai/llama3", base_url="http://127.0.0.1:11434/v1", max_concurrency=4)
        <model openai/llama3, 0 calls, $0>

    Raises:
        InputError: the name or a setting is wrong.
    """
    config = check(ModelConfig, {"model": name, **settings}, f"The model {name!r} cannot be made from these settings")
    return load_model(config, role="strong")
