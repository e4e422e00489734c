"""Replies in a run's ledger, which will not be paid for again; looks them up without a call."""

from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from cowest import runs
from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.models import ModelConfig, load_model
from cowest.planning.rehearsal import ReplyLookup
from cowest.plugins import resolve_path
from cowest.recipe import Recipe
from cowest.types import ChatRequest, Completion


class PaidReplies:
    """Looks up replies in a ledger by role and model.

    Attributes:
        unknown: by role, why replies could not be looked up: without an API key the model's name in the ledger is
            unknown.
    """

    def __init__(self, ledger: Ledger | None, seed: int) -> None:
        self._ledger = ledger
        self._seed = seed
        self._identities: dict[str, tuple[str, str] | None] = {}
        self.unknown: dict[str, str] = {}

    def lookup(self, role: str, config: ModelConfig) -> ReplyLookup | None:
        """A function that looks up the replies of a model in a role; None where there can be none."""
        ledger = self._ledger
        if ledger is None or (identified := self._identify(role, config)) is None:
            return None
        name, identity = identified

        def look_up(request: ChatRequest) -> Completion | None:
            return ledger.lookup(ledger.key(role, name, identity, request))

        return look_up

    def _identify(self, role: str, config: ModelConfig) -> tuple[str, str] | None:
        key = config.model_dump_json()
        if key not in self._identities:
            self._identities[key] = None
            # A hub model that was never downloaded has no replies.
            if config.provider != "local" or resolve_path(config.model_name).is_dir():
                try:
                    model = load_model(config.model_copy(update={"budget_usd": None}), role=role, seed=self._seed)
                    self._identities[key] = model.name, model.identity
                except InputError as error:
                    self.unknown[role] = str(error)
        return self._identities[key]


def open_ledger(recipe: Recipe) -> AbstractContextManager[Ledger | None]:
    """Opens the ledger of a recipe's run for reading; None where there is none yet."""
    folder = runs.RunFolder(recipe.run)
    path = folder.ledger if folder.ledger.is_file() else Path(recipe.ledger or folder.ledger).expanduser()
    if not path.is_file():
        return nullcontext()
    return closing(Ledger(path, folder.known_id or "", read_only=True))
