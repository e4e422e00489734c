"""The state that the stages of one run share: recipe, folder, prompts, data, models and ledger."""

import contextlib
from functools import cached_property

from cowest import runs
from cowest.cluster import Cluster, open_cluster
from cowest.engines import Fleet
from cowest.ledger import Ledger
from cowest.pipeline.data import Data
from cowest.pipeline.engines_now import EnginesNow
from cowest.pipeline.models import Models, open_ledger
from cowest.pipeline.progress import Say
from cowest.pipeline.provenance import Provenance
from cowest.pipeline.weak import WeakModel
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.trackers import Trackers


class RunContext:
    """One run. Everything is opened at its first use and closed by `close`.

    Args:
        recipe: of the run.
        say: called with one line for each stage that starts or is skipped.

    Attributes:
        data: the recipe's task, and the examples of each stage.
        weak: the weak model after each stage.
        trackers: of the recipe's report_to.
        provenance: which recipe the folders of the stages belong to.
        fleet: the servers that the run has started.

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
        self._engines_now = EnginesNow(self.folder.engines_now)
        self.fleet = Fleet(self.folder.engines, self._engines_now.serving)
        self.trackers = Trackers(
            recipe.report_to,
            run=self.folder.path.name,
            folder=self.folder.path / "trackers",
            settings=recipe.model_dump(mode="json", by_alias=True),
            say=say,
        )
        self._exit = contextlib.ExitStack()

    @cached_property
    def ledger(self) -> Ledger:
        """The run's ledger, its own or a shared one.

        Raises:
            InputError: the run used another one before, or it cannot be opened.
        """
        return self._exit.enter_context(open_ledger(self.recipe, self.folder, self.say))

    @cached_property
    def models(self) -> Models:
        """The recipe's models, opened with the ledger."""
        return Models(self.recipe, self.prompts, self.data, self.ledger, self.fleet, self.cluster)

    @cached_property
    def cluster(self) -> Cluster | None:
        """The recipe's cluster; None where it names none. No engine runs on it before something is drafted.

        Raises:
            InputError: it cannot be used.
        """
        if self.recipe.cluster is None:
            return None
        cluster = open_cluster(self.recipe.cluster)
        self._exit.callback(cluster.close)
        cluster.on_engines(self._engines_now.drafting)
        return cluster

    def free_memory(self) -> None:
        """Ends the servers, and the engines of the cluster, before something trains."""
        self.fleet.stop()
        if "cluster" in vars(self) and self.cluster is not None:  # asked for before, so that something may run there
            self.cluster.stop()

    def paid_calls(self) -> dict[str, int]:
        """The number of replies in the run's ledger, by role."""
        return self.ledger.counts() if self.folder.ledger.is_file() else {}

    def lock(self) -> None:
        """Locks the run's folder for this process until `close`.

        Raises:
            InputError: another process has locked it.
        """
        self._exit.enter_context(self.folder.lock())

    def close(self) -> None:
        """Ends the servers, leaves the cluster, closes the ledger and unlocks the folder.

        What is used after it is opened again.
        """
        with self._exit:
            self.fleet.stop()
        for opened in ("models", "ledger", "cluster"):
            self.__dict__.pop(opened, None)
