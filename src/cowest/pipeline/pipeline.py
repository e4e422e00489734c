"""The pipeline: the order of the stages, and what can be asked of a run from outside."""

import contextlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from cowest import distributed, plugins, runs
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.formats import load_format
from cowest.ledger import Ledger
from cowest.methods import Setting, find_methods, make_methods
from cowest.models import ChatModel, ModelConfig
from cowest.pipeline.data import Data
from cowest.pipeline.evaluation import EvaluationStage
from cowest.pipeline.feedback import FeedbackStage
from cowest.pipeline.models import Models, open_ledger
from cowest.pipeline.progress import Say
from cowest.pipeline.provenance import Provenance
from cowest.pipeline.training import TrainingStages
from cowest.pipeline.weak import WeakModel
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.tasks import Task
from cowest.types import Example, GradedExample


class Pipeline:
    """A recipe at work in its run folder. Use it as a context: it holds the folder's lock and the ledger.

    Args:
        recipe: what to do.
        say: takes one line for each stage that starts or is skipped.

    Raises:
        InputError: another process works in the folder, or the recipe names something that there is not.
    """

    def __init__(self, recipe: Recipe, say: Say = lambda line: None) -> None:
        self.recipe = recipe
        self.folder = folder = runs.RunFolder(recipe.run)
        self.prompts = prompts = Prompts(recipe.prompts)
        self.say = say
        self._exit = contextlib.ExitStack()
        self._data = data = Data(recipe, say)
        self._weak = weak = WeakModel(recipe, folder)
        self._provenance = provenance = Provenance(recipe, folder, prompts, say)
        self._models = Models(recipe, prompts, task=lambda: data.task, ledger=lambda: self.ledger)
        self._training = TrainingStages(recipe, folder, prompts, weak, provenance)
        self._feedback_stage = FeedbackStage(
            recipe,
            folder,
            prompts,
            data=data,
            weak=weak,
            provenance=provenance,
            models=self._models,
            ledger=lambda: self.ledger,
            say=say,
        )
        self._evaluation_stage = EvaluationStage(
            recipe, folder, prompts, data=data, weak=weak, provenance=provenance, models=self._models, say=say
        )

    def __enter__(self) -> Self:
        self.check_names()
        for warning in self.unfenced():
            self.say(warning)
        if distributed.is_main_process():
            self._exit.enter_context(self.folder.lock())
        return self

    def __exit__(self, *exception: object) -> None:
        self._exit.close()

    @cached_property
    def ledger(self) -> Ledger:
        """The run's ledger, its own or a shared one, opened when first needed and closed with the pipeline."""
        return self._exit.enter_context(open_ledger(self.recipe, self.folder, self.say))

    @property
    def task(self) -> Task:
        """The recipe's task."""
        return self._data.task

    def run(self) -> dict[str, Any]:
        """Every stage and every round, then the evaluation; returns what results.json holds."""
        self.train()
        return self.evaluate()

    def train(self) -> None:
        """SFT and every round of feedback and alignment."""
        _needs_one_process("run")
        self.check()
        self.sft()
        for number in range(1, self.recipe.rounds + 1):
            self.feedback(number)
            if not self._weak.pairs(number).stat().st_size:
                self.say(f"align, round {number}: feedback gave no pair, so there is nothing to learn; no more rounds")
                break
            self.align(number)

    def check(self) -> None:
        """Looks at everything that can be wrong before any work or money goes in.

        Raises:
            InputError: a split is missing or broken, a model cannot be opened, or a method cannot work here.
        """
        _ = self._data.settled.train, self.evaluation_examples()
        self.check_adapter()
        drafting, strong = self._models.model(self.first_weak, "weak"), self._models.strong()
        self._models.judge(strong)
        self._models.labeller()
        make_methods(
            self.recipe.evaluate.methods, self.setting(dict.fromkeys(self.weak_stage_names(), drafting), strong)
        )

    def unfenced(self) -> list[str]:
        """A warning for each template that lets a text which is judged end its own fence, of those that are used."""
        return self._provenance.unfenced()

    @property
    def first_weak(self) -> ModelConfig:
        """The weak model before anything is trained here: that of `sft.from` where the recipe has it."""
        return self._weak.before_feedback()

    def check_adapter(self) -> None:
        """Looks whether alignment can go on with the adapter of `sft.from`; opens nothing.

        Raises:
            InputError: it has another shape than `lora`, or is not there.
        """
        self._weak.check_adapter()

    def check_names(self) -> None:
        """Looks for whatever the recipe names besides data and models; opens nothing.

        Raises:
            InputError: a format, a kind of feedback, a method or a judge is unknown, or a template that one of them
                uses, or no method is named.
        """
        load_format(self.recipe.format)
        plugins.load(self.recipe.feedback.kind, "cowest.annotators", "kind of feedback")
        find_methods(self.recipe.evaluate.methods)
        self._models.check_judge()
        self._provenance.check_templates()

    def sft(self) -> None:
        """Supervised fine-tuning of the weak model (section 3.2)."""
        self._weak.needs_weights("sft")
        self._training.sft(self.sft_examples())

    def feedback(self, number: int) -> None:
        """Gathers the preferences of round `number` (Algorithm 1 lines 6 to 25)."""
        _needs_one_process("feedback")
        self._feedback_stage.feedback(number)

    def probe(self, number: int, examples: Sequence[Example], out: Path) -> list[GradedExample]:
        """Grades drafts of the weak model after round `number` as collaborative feedback does, leaving no call out.

        Args:
            number: 0 is after SFT.
            examples: any, such as those of a test split; nothing is trained on them.
            out: a folder for the files of feedback; a second call reads them.
        """
        return self._feedback_stage.probe(number, examples, out)

    def align(self, number: int) -> None:
        """Preference tuning on the pairs of round `number`; the reference is the model that drafted (Equation 2)."""
        self._weak.needs_weights("align")
        self._training.align(number)

    def evaluate(self) -> dict[str, Any]:
        """Measures the recipe's methods with whatever rounds are finished; returns what results.json holds."""
        _needs_one_process("evaluate")
        return self._evaluation_stage.evaluate()

    def gate(self) -> dict[str, Any]:
        """Learns `serve.gate` on the validation split with the pair as it is now; returns what gate.json holds."""
        _needs_one_process("gate")
        return self._evaluation_stage.gate(self.ledger)

    def collaboration(self, *, kept: bool = True) -> Collaboration:
        """The pair as it is now: the last finished round's weak model, or the one after SFT, with the strong model.

        A weak model on a server is taken as it is. Calls are made at once, also where the recipe says `batch`.

        Args:
            kept: whether calls are found in the ledger and kept there.
        """
        return self._evaluation_stage.collaboration(self.ledger if kept else None)

    def num_rounds_done(self) -> int:
        """How many rounds of alignment are finished."""
        return self._weak.num_rounds_done()

    def next_round(self) -> int:
        """The first round whose alignment is not finished; the last round where all are."""
        return self._weak.next_round()

    def sft_examples(self) -> Sequence[Example]:
        """The training rows that SFT learns from."""
        return self._data.sft()

    def feedback_examples(self) -> Sequence[Example]:
        """The training rows that each round of feedback draws its queries from."""
        return self._data.feedback()

    def evaluation_examples(self) -> Sequence[Example]:
        """The examples that are measured."""
        return self._data.evaluation()

    def gate_examples(self) -> tuple[Sequence[Example], Sequence[Example]]:
        """The validation examples that the gate is learned from, and the test examples that it is then tried on."""
        return self._data.gate()

    def unseen_examples(self) -> Sequence[Example]:
        """Examples that the weak model was not trained on and that are not measured: predictions on them are honest."""
        return self._data.unseen()

    def setting(self, weak: Mapping[str, ChatModel], strong: ChatModel) -> Setting:
        """What the recipe's methods are made from, with the weak model's stages by name."""
        return self._evaluation_stage.setting(weak, strong)

    def weak_stage_names(self) -> list[str]:
        """The weak model's stages when all rounds are done, as methods know them."""
        return self._weak.stage_names()

    def num_in_flight(self, num_examples: int) -> int:
        """How many of so many examples are worked on at once."""
        return self._models.num_in_flight(num_examples)

    def paid_calls(self) -> dict[str, int]:
        """Replies by role that the run's ledger holds already."""
        return self.ledger.counts() if self.folder.ledger.is_file() else {}


def _needs_one_process(stage: str) -> None:
    if distributed.num_processes() > 1:
        raise InputError(
            f"{stage} was started in {distributed.num_processes()} processes, but one process owns the ledger and "
            "the limits of a key. Launch only `cowest sft` and `cowest align` with accelerate."
        )
