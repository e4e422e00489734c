"""What the stages of one run share: recipe, folder, templates, data, the weak model's stages, models and ledger."""

import contextlib
from functools import cached_property

from cowest import runs
from cowest.ledger import Ledger
from cowest.pipeline.data import Data
from cowest.pipeline.models import Models, open_ledger
from cowest.pipeline.progress import Say
from cowest.pipeline.provenance import Provenance
from cowest.pipeline.weak import WeakModel
from cowest.prompts import Prompts
from cowest.recipe import Recipe


class RunContext:
    """One run. Nothing is opened before it is used; `close` closes what was.

    Args:
        recipe: what to do.
        say: takes one line for each stage that starts or is skipped.

    Attributes:
        data: the recipe's task, and the examples of each stage.
        weak: the weak model from stage to stage.
        provenance: which recipe the folders of the stages belong to.

    Raises:
        InputError: the folder of prompt templates cannot be used.
    """

    def __init__(self, recipe: Recipe, say: Say = lambda line: None) -> None:
        self.recipe = recipe
        self.say = say
        self.folder = runs.RunFolder(recipe.run)
        self.prompts = Prompts(recipe.prompts)
        self.data = Data(recipe, say)
        self.weak = WeakModel(recipe, self.folder)
        self.provenance = Provenance(recipe, self.folder, self.prompts, say)
        self._exit = contextlib.ExitStack()

    @cached_property
    def ledger(self) -> Ledger:
        """The run's ledger, its own or a shared one.

        Raises:
            InputError: the run has used another one before, or it cannot be opened.
        """
        return self._exit.enter_context(open_ledger(self.recipe, self.folder, self.say))

    @cached_property
    def models(self) -> Models:
        """Opens the recipe's models over the ledger."""
        return Models(self.recipe, self.prompts, self.data, self.ledger)

    def paid_calls(self) -> dict[str, int]:
        """Replies by role that the run's ledger holds already."""
        return self.ledger.counts() if self.folder.ledger.is_file() else {}

    def lock(self) -> None:
        """Holds the run's folder for this process until `close`.

        Raises:
            InputError: another process works in it.
        """
        self._exit.enter_context(self.folder.lock())

    def close(self) -> None:
        """Closes the ledger and releases the folder."""
        self._exit.close()
