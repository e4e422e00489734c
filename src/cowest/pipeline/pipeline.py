"""The pipeline: the stages of a recipe in their order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cowest import distributed, runs, words
from cowest.alignment import load_method
from cowest.annotators import find_annotator
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.formats import load_format
from cowest.judge.config import ProgramJudge
from cowest.methods import find_methods, make_methods
from cowest.pipeline.context import RunContext
from cowest.pipeline.evaluation import (
    RESULTS,
    current_pair,
    evaluation_inputs,
    require_same_results,
    retriever_of,
    run_evaluation,
    run_gate,
    setting_of,
)
from cowest.pipeline.feedback import run_feedback, run_probe
from cowest.pipeline.judging import run_judge_check
from cowest.pipeline.models import program_judge
from cowest.pipeline.progress import Say
from cowest.pipeline.spending import check_spending
from cowest.pipeline.training import gave_nothing, run_align, run_sft
from cowest.recipe import Recipe
from cowest.records import EvaluationResults, GateResults, JudgeCheck
from cowest.types import Example, GradedExample


class Pipeline:
    """Runs a recipe in its run folder. As a context manager, which may be entered again, it holds the folder's lock.

    Args:
        recipe: of the run.
        say: called with one line for each stage that starts or is skipped.

    Attributes:
        context: the state that the stages share, such as the run's data, models and ledger.

    Examples:
        >>> import cowest
        >>> with cowest.Pipeline(cowest.load_recipe("cowest.lab:recipe.yaml", ["run=runs/mine"])) as pipeline:
        ...     pipeline.check_names()  # then sft(), feedback(), align() and evaluate(), or all of them: run()
        >>> pipeline
        Pipeline('runs/mine', weak='local/cowest.lab:assets/weak', strong='local/cowest.lab:assets/strong-a')

    Raises:
        InputError: another process uses the folder, or the recipe names something that does not exist.
    """

    def __init__(self, recipe: Recipe, say: Say = lambda line: None) -> None:
        self.context = RunContext(recipe, say)
        self.recipe = recipe
        self.folder = self.context.folder

    def __repr__(self) -> str:
        return (
            f"Pipeline({str(self.folder.path)!r}, weak={self.recipe.weak.model!r}, strong={self.recipe.strong.model!r})"
        )

    def __enter__(self) -> Self:
        self.check_names()
        for warning in self.context.provenance.unfenced():
            self.context.say(warning)
        if distributed.is_main_process():
            self.context.lock()
        return self

    def __exit__(self, *exception: object) -> None:
        self.context.close()

    def run(self, *, force: bool = False) -> EvaluationResults:
        """Every stage and every round, then the evaluation; `force` as in `evaluate`."""
        if not force:
            self.check_results()
        self.train()
        return self.evaluate(force=force)

    def train(self) -> None:
        """SFT and every round of feedback and alignment; one round of feedback alone with a weak model on a server."""
        _needs_one_process("run")
        self.check()
        if not self.context.weak.is_trained_here:
            self.context.say(
                f"sft, align: nothing is trained, since {self.recipe.weak.model} is on a server; "
                "the pairs of feedback can train it there"
            )
            self.feedback(1)
            return
        self.sft()
        for number in range(1, self.recipe.rounds + 1):
            self.feedback(number)
            if gave_nothing(self.context, number):
                noun = load_method(self.recipe.align).noun
                reason = f"feedback gave no {noun} to learn from; no more rounds"
                self.context.say(f"align, round {number}: {reason}")
                break
            self.align(number)

    def check(self) -> None:
        """Checks everything that can be checked before any work or spending.

        Raises:
            InputError: a split is missing or broken, a model cannot be opened, or a method cannot be used here.
        """
        check_spending(self.recipe)
        context = self.context
        _ = context.data.checked_task.train, context.data.evaluation()
        context.weak.check_adapter()
        drafting, strong = context.models.model(context.weak.before_feedback(), "weak"), context.models.strong()
        context.models.judge(strong)
        context.models.labeller()
        weak = dict.fromkeys(context.weak.stage_names(), drafting)
        if context.weak.has_base and self.recipe.sft.from_ is not None:
            weak["base"] = context.models.model(context.weak.base, "weak")
        make_methods(self.recipe.evaluate.methods, setting_of(context, weak, strong, retriever_of(context)))

    def check_names(self) -> None:
        """Checks all names in the recipe besides data and models; opens nothing.

        Raises:
            InputError: a format, kind of feedback, method or judge is unknown, or a template that one of them uses;
                or the kind does not go with `feedback.drafts`; or no method is named; or the package of a tracker is
                not installed.
        """
        load_format(self.recipe.format)
        find_annotator(self.recipe.feedback.kind, until_pair=self.recipe.feedback.until_pair)
        find_methods(self.recipe.evaluate.methods)
        if isinstance(self.recipe.judge, ProgramJudge):
            program_judge(self.recipe.judge, self.context.data.task)
        self.context.provenance.check_templates()
        self.context.trackers.check()

    def sft(self) -> None:
        """Supervised fine-tuning of the weak model (section 3.2).

        Raises:
            InputError: what comes after it could not keep the recipe's limits on money, or data or models are wrong.
        """
        check_spending(self.recipe)
        run_sft(self.context)

    def feedback(self, number: int | None = None) -> None:
        """Gathers the preferences of a round (Algorithm 1 lines 6 to 25), by default of the next one.

        Raises:
            InputError: the recipe has no such round, or a stage that comes first is not finished.
        """
        _needs_one_process("feedback")
        run_feedback(self.context, self._round("feedback", number))

    def align(self, number: int | None = None) -> None:
        """Preference tuning on the pairs of a round (Equation 2), by default of the next one.

        Raises:
            InputError: the recipe has no such round, or a stage that comes first is not finished.
        """
        if load_method(self.recipe.align).is_online:
            _needs_one_process(f"align with {self.recipe.align.method}")
        run_align(self.context, self._round("align", number))

    def _round(self, stage: str, number: int | None) -> int:
        if number is None:
            return self.context.weak.next_round()
        if not 1 <= number <= self.recipe.rounds:
            raise InputError(
                f"{stage} is asked for round {number}, but the recipe has {words.plural(self.recipe.rounds, 'round')}: "
                "the evaluation would leave it out. Set rounds in the recipe, or rounds=N on the command line."
            )
        return number

    def probe(self, number: int, examples: Sequence[Example], out: Path) -> list[GradedExample]:
        """Grades drafts of the weak model after a round, for a measurement; see `run_probe`."""
        return run_probe(self.context, number, examples, out)

    def check_results(self) -> None:
        """Checks that an evaluation would not replace finished results of other settings.

        Raises:
            InputError: it would.
        """
        if (runs.finished_folder(self.folder.evaluate) / RESULTS).is_file():
            require_same_results(self.context, evaluation_inputs(self.context, retriever_of(self.context)))

    def evaluate(self, *, force: bool = False) -> EvaluationResults:
        """Evaluates the recipe's methods with the rounds finished so far.

        Args:
            force: whether finished results of other settings are replaced, once the new ones are whole.

        Raises:
            InputError: there are such results, and no `force`.
        """
        _needs_one_process("evaluate")
        return run_evaluation(self.context, force=force)

    def gate(self, *, force: bool = False) -> GateResults:
        """Learns `serve.gate` on the validation split with the pair as it is now.

        Args:
            force: whether a finished gate of other models, prompts or sampling is replaced.

        Raises:
            InputError: there is such a gate, and no `force`.
        """
        _needs_one_process("gate")
        return run_gate(self.context, force=force)

    def check_judge(self, limit: int) -> JudgeCheck:
        """Tries the judge on rows of the validation split; see `run_judge_check`."""
        _needs_one_process("judge check")
        return run_judge_check(self.context, limit)

    def collaboration(self, *, kept: bool = True) -> Collaboration:
        """The pair as it is now: the last finished round's weak model, or the one after SFT, with the strong model.

        A weak model on a server is used as it is. Calls are sent immediately, even where the recipe says `batch`.

        Args:
            kept: whether calls are looked up and stored in the ledger.
        """
        return current_pair(self.context, kept=kept)


def _needs_one_process(stage: str) -> None:
    if distributed.num_processes() > 1:
        raise InputError(
            f"{stage} was started in {distributed.num_processes()} processes, but one process owns the ledger and "
            "the limits of a key. Launch only `cowest sft` and `cowest align` with accelerate."
        )
