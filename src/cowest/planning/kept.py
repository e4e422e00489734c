"""What a run's ledger holds already: finds the replies that will not be paid for again, without a call."""

from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from cowest import runs
from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.models import ModelConfig, load_model
from cowest.planning.rehearsal import Kept
from cowest.plugins import resolve_path
from cowest.recipe import Recipe
from cowest.types import ChatRequest, Completion


class KeptReplies:
    """Replies by role and model, from a ledger that exists.

    Attributes:
        unknown: by role, why its replies could not be looked for: without a key a model's name in the ledger is not
            known.
    """

    def __init__(self, ledger: Ledger | None, seed: int) -> None:
        self._ledger = ledger
        self._seed = seed
        self._identities: dict[str, tuple[str, str] | None] = {}
        self.unknown: dict[str, str] = {}

    def of(self, role: str, config: ModelConfig) -> Kept | None:
        """What finds the replies of a model in a role; None where there are none to find."""
        ledger = self._ledger
        if ledger is None or (found := self._identity(role, config)) is None:
            return None
        name, identity = found

        def find(request: ChatRequest) -> Completion | None:
            return ledger.lookup(ledger.key(role, name, identity, request))

        return find

    def _identity(self, role: str, config: ModelConfig) -> tuple[str, str] | None:
        key = config.model_dump_json()
        if key not in self._identities:
            self._identities[key] = None
            # A model of the hub would have to be fetched; it has no replies before that.
            if config.provider != "local" or resolve_path(config.model_name).is_dir():
                try:
                    model = load_model(config.model_copy(update={"budget_usd": None}), role=role, seed=self._seed)
                    self._identities[key] = model.name, model.identity
                except InputError as error:
                    self.unknown[role] = str(error)
        return self._identities[key]


def open_ledger(recipe: Recipe) -> AbstractContextManager[Ledger | None]:
    """The ledger of a recipe's run, for looking; None where there is none yet."""
    folder = runs.RunFolder(recipe.run)
    path = folder.ledger if folder.ledger.is_file() else Path(recipe.ledger or folder.ledger).expanduser()
    if not path.is_file():
        return nullcontext()
    return closing(Ledger(path, folder.id if folder.path.is_dir() else ""))
