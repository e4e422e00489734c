"""Opens the run's ledger, the recipe's models and its judge."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cowest import runs, synchronous
from cowest.annotators import RLAIF
from cowest.cluster import Cluster
from cowest.engines import Fleet
from cowest.judge import BaseJudge, load_judge
from cowest.judge.config import ProgramJudge
from cowest.ledger import Ledger, network_file_system
from cowest.models import ChatModel, ModelConfig, open_model, spread
from cowest.pipeline.data import Data
from cowest.pipeline.factories import model_judge
from cowest.pipeline.progress import Say
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.tasks import Task


@contextmanager
def open_ledger(recipe: Recipe, folder: runs.RunFolder, say: Say) -> Iterator[Ledger]:
    """The run's ledger, its own or a shared one; closed at the end.

    Raises:
        InputError: the run used another one before.
    """
    path = folder.locate_ledger(recipe.ledger)
    if kind := network_file_system(path):
        say(
            f"the ledger {str(path)!r} lies on a network file system ({kind}), where SQLite's locks are not to be "
            "relied on; name a local file with ledger=PATH"
        )
    was_used = folder.ledger.exists()
    find_lost_id(path, folder, say)
    with closing(Ledger(path, folder.id)) as ledger:
        if was_used and (others := ledger.bookings.runs()) and ledger.run not in others:
            say(
                f"the run's id (.run-id) is not the one that its calls are kept under, and the ledger has those of "
                f"{len(others)} runs: all that they spent counts towards the budgets of this one"
            )
            ledger.bookings.begin(counts_all=True)
        ledger.bookings.begin(counts_all=False)
        folder.link_ledger(path)
        yield ledger


def find_lost_id(path: Path, folder: runs.RunFolder, say: Say) -> None:
    """Gives a run that has lost its id the one that its ledger knows, if that knows only one.

    Args:
        path: of the ledger.
    """
    if folder.has_id or not folder.ledger.exists():
        return
    with closing(Ledger(path)) as ledger:
        known = ledger.bookings.runs()
    if len(known) == 1:
        runs.write_text(folder.path / ".run-id", f"{known.pop()}\n")
        say("the run's id (.run-id) was missing; its ledger knows one run, so that all spent there counts as its own")


class Models:
    """Opens the recipe's models and its judge.

    Args:
        recipe: names the models.
        prompts: for the judge.
        data: the task, for a judge without a model.
        ledger: where calls are looked up and stored.
        fleet: has the servers that the run starts.
        cluster: where other local models draft; None is this process.
    """

    def __init__(
        self,
        recipe: Recipe,
        prompts: Prompts,
        data: Data,
        ledger: Ledger,
        fleet: Fleet,
        cluster: Cluster | None = None,
    ) -> None:
        self._recipe = recipe
        self._prompts = prompts
        self._data = data
        self._ledger = ledger
        self._fleet = fleet
        self._cluster = cluster
        self._to_close: list[ChatModel] | None = None

    @contextmanager
    def closed_afterwards(self) -> Iterator[None]:
        """Closes the models that are opened meanwhile, also where an error ends it; not on Ctrl-C.

        Closing waits for the step that a local model is at, and after Ctrl-C the process ends without it.
        """
        self._to_close = opened = list[ChatModel]()
        try:
            yield
        except KeyboardInterrupt:
            opened.clear()
            raise
        finally:
            self._to_close = None
            for model in opened:
                synchronous.run(model.close())

    def model(self, config: ModelConfig, role: str) -> ChatModel:
        """Opens a model with the ledger, in a role.

        Raises:
            InputError: it cannot be opened.
        """
        judges = self._recipe.judge_models()
        shared_with = (
            [judge for judge, section in judges.items() if isinstance(section, str)] if role == "strong" else []
        )
        model = open_model(
            config,
            role=role,
            ledger=self._ledger,
            seed=self._recipe.seed,
            shared_with=shared_with,
            fleet=self._fleet,
        )
        opened = model if self._cluster is None else spread(model, self._cluster)
        if self._to_close is not None:
            self._to_close.append(opened)
        return opened

    def strong(self) -> ChatModel:
        """The recipe's strong model."""
        return self.model(self._recipe.strong, "strong")

    def judge(self, strong: ChatModel) -> BaseJudge:
        """The recipe's judge, which may be the strong model that is already open, or a panel.

        Raises:
            InputError: it cannot be opened.
        """
        judge = self._recipe.judge
        if isinstance(judge, ProgramJudge):
            return program_judge(judge, self._data.task)
        models = self._recipe.judge_models()

        def opened(role: str) -> ChatModel:
            section = models[role]
            return open_model(strong, role=role) if isinstance(section, str) else self.model(section, role)

        return model_judge(self._recipe, self._prompts, opened)

    def labeller(self) -> ChatModel | None:
        """The model that compares drafts, where the kind of feedback needs one and the recipe names its own.

        Raises:
            InputError: it cannot be opened.
        """
        config = self._recipe.feedback.labeller
        return None if config is None or self._recipe.feedback.kind != RLAIF else self.model(config, "labeller")


def program_judge(judge: ProgramJudge, task: Task) -> BaseJudge:
    """A judge without a model.

    Raises:
        InputError: there is no such judge, or its options are wrong.
    """
    options = {key: value for key, value in judge.model_dump().items() if key != "name"}
    return load_judge(judge.name, task, **options)


def nothing_sent_or_kept(ledger: Ledger) -> bool:
    """Whether no call of this run was answered and no batch is under way: nothing that another recipe could mix."""
    return not ledger.counts() and not ledger.path.with_suffix(".batches.jsonl").is_file()


def num_in_flight(recipe: Recipe, num_examples: int) -> int | None:
    """Examples worked on at once; None is as many as the models take.

    Where a model is called in batches it is all of them, so that each round is one batch.
    """
    configs = (recipe.weak, recipe.strong, *recipe.judge_models().values(), recipe.feedback.labeller)
    models = [config for config in configs if isinstance(config, ModelConfig)]
    return num_examples if any(model.batch for model in models) else None
