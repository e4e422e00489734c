"""Runs the stages of a recipe in order, skips what is done, runs rounds."""

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from cowest import claims, distributed, plugins, runs, synchronous
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.formats import load_format
from cowest.judge import Judge, ModelJudge, load_judge
from cowest.ledger import Ledger
from cowest.methods import Setting, find_methods, make_methods
from cowest.models import ChatModel, ModelConfig, open_model
from cowest.progress import ProgressBar, progress_bar
from cowest.prompts import Prompts
from cowest.recipe import ProgramJudge, Recipe
from cowest.stages.align import align
from cowest.stages.evaluate import chosen, evaluate
from cowest.stages.feedback import draw, feedback, hold_back
from cowest.stages.sft import sft
from cowest.tasks import Task, load_task
from cowest.training import TrainedModel
from cowest.training.trained import DONE_MARKER
from cowest.types import Example

Say = Callable[[str], None]

SFT_KEYS = ("seed", "task", "format", "weak.model", "lora", "sft", "prompts")
"""What a finished SFT depends on; a run folder whose stage was made with other values belongs to another recipe."""

TRAINING_KEYS = ("seed", "format", "weak.model", "lora", "sft")
FEEDBACK_KEYS = (
    *SFT_KEYS,
    *("weak.base_url", "weak.sampling", "weak.redact"),
    *("strong.model", "strong.base_url", "strong.sampling", "strong.redact", "judge", "feedback"),
)
ALIGN_KEYS = (*FEEDBACK_KEYS, "align")
EVALUATE_KEYS = (*ALIGN_KEYS, "rounds", "evaluate")


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
        self.folder = runs.RunFolder(recipe.run)
        self.prompts = Prompts(recipe.prompts)
        self.say = say
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.check_names()
        if distributed.is_main_process():
            self._exit.enter_context(self.folder.lock())
        return self

    def __exit__(self, *exception: object) -> None:
        self._exit.close()

    @cached_property
    def ledger(self) -> Ledger:
        """The run's ledger, opened when first needed and closed with the pipeline."""
        return self._exit.enter_context(contextlib.closing(Ledger(self.folder.ledger)))

    @cached_property
    def task(self) -> Task:
        """The recipe's task."""
        return load_task(self.recipe.task.name, **self.recipe.task.options)

    @cached_property
    def _checked_task(self) -> Task:
        """The task, once it is settled what becomes of questions that two splits share."""
        self.task.settle_overlap()
        if dropped := len(self.task.dropped):
            self.say(f"data: {dropped} rows that a later split has too are left out (task.overlap: drop)")
        return self.task

    def run(self) -> dict[str, Any]:
        """Every stage and every round, then the evaluation; returns what results.json holds."""
        self._needs_one_process("run")
        self.check()
        self.sft()
        for number in range(1, self.recipe.rounds + 1):
            self.feedback(number)
            if not self._pairs(number).stat().st_size:
                self.say(f"align, round {number}: feedback gave no pair, so there is nothing to learn; no more rounds")
                break
            self.align(number)
        return self.evaluate()

    def check(self) -> None:
        """Looks at everything that can be wrong before any work or money goes in.

        Raises:
            InputError: a split is missing or broken, or a model cannot be opened.
        """
        _ = self._checked_task.train, self.evaluation_examples()
        weak = self.recipe.weak if self.recipe.sft.from_ is None else self._with_model(self.recipe.sft.from_)
        self._open(weak, "weak")
        self._judge(self._open(self.recipe.strong, "strong"))

    def check_names(self) -> None:
        """Looks for whatever the recipe names besides data and models; opens nothing.

        Raises:
            InputError: a format, a kind of feedback, a method or a judge is unknown, or no method is named.
        """
        recipe = self.recipe
        load_format(recipe.format)
        plugins.load(recipe.feedback.kind, "cowest.annotators", "kind of feedback")
        find_methods(recipe.evaluate.methods)
        if isinstance(recipe.judge, ProgramJudge):
            self._program_judge(recipe.judge)

    def sft(self) -> None:
        """Supervised fine-tuning of the weak model (section 3.2)."""
        recipe = self.recipe
        self._needs_local_weak("sft")
        examples = self.sft_examples()
        if self._is_done("sft", self.folder.sft, SFT_KEYS, examples, marker=DONE_MARKER):
            return
        quiet = not distributed.is_main_process()
        with claims.given_up_if_refused(self.folder.sft), progress_bar("sft", quiet=quiet) as bar:
            sft(
                recipe.weak.model,
                examples,
                out=self.folder.sft,
                config=recipe.sft,
                lora=recipe.lora,
                format=recipe.format,
                prompts=self.prompts,
                seed=recipe.seed,
                progress=_training_progress(bar),
            )

    def feedback(self, number: int) -> None:
        """Gathers the preferences of round `number` (Algorithm 1 lines 6 to 25)."""
        self._needs_one_process("feedback")
        recipe = self.recipe
        weak = self._weak_after_round(number - 1)
        if number > 1:
            self._goes_on_from(f"align, round {number - 1}", self.folder.align(number - 1), ALIGN_KEYS)
        else:
            self._goes_on_from("sft", self.folder.sft, SFT_KEYS)
        examples = draw(self.feedback_examples(), recipe.feedback.queries, recipe.seed, number)
        out = self.folder.feedback(number)
        if self._is_done(f"feedback, round {number}", out, FEEDBACK_KEYS, examples, marker="summary.json"):
            return
        with claims.given_up_if_refused(out):
            strong, drafting = self._open(recipe.strong, "strong"), self._open(weak, "weak")
            feedback(
                examples,
                weak=drafting,
                strong=strong,
                judge=self._judge(strong),
                out=out,
                config=recipe.feedback,
                format=recipe.format,
                prompts=self.prompts,
                weak_sampling=recipe.weak.sampling,
                strong_sampling=recipe.strong.sampling,
                ledger=self.ledger,
                seed=recipe.seed,
                num_in_flight=self._num_in_flight(examples),
            )
        # Training comes next and wants the memory.
        for model in (drafting, strong):
            synchronous.run(model.close())

    def align(self, number: int) -> None:
        """Preference tuning on the pairs of round `number`; the reference is the model that drafted (Equation 2)."""
        recipe = self.recipe
        self._needs_local_weak("align")
        pairs = self._pairs(number)
        if not pairs.is_file():
            raise InputError(
                f"Round {number} has no pairs yet ({str(pairs)!r} is missing). Run `cowest feedback` first."
            )
        if pairs.stat().st_size == 0:
            raise InputError(
                f"Round {number} gave no pair ({str(pairs)!r} is empty): for no query was one draft better and another "
                "worse than the strong model alone, so there is nothing to align. `cowest show` tells the counts; "
                "more feedback.queries or feedback.samples, in another run folder, may give some."
            )
        self._goes_on_from(f"feedback, round {number}", self.folder.feedback(number), FEEDBACK_KEYS)
        start = self._weak_after_round(number - 1).model
        if self._is_done(f"align, round {number}", self.folder.align(number), ALIGN_KEYS, (), marker=DONE_MARKER):
            return
        out, quiet = self.folder.align(number), not distributed.is_main_process()
        with claims.given_up_if_refused(out), progress_bar(f"align, round {number}", quiet=quiet) as bar:
            align(
                start,
                pairs,
                out=out,
                config=recipe.align,
                lora=recipe.lora,
                seed=recipe.seed + number,
                progress=_training_progress(bar),
            )

    def evaluate(self) -> dict[str, Any]:
        """Measures the recipe's methods with whatever rounds are finished; returns what results.json holds."""
        self._needs_one_process("evaluate")
        recipe = self.recipe
        # Other data or another strong model may be measured with a trained weak model; another training may not.
        if (self.folder.sft / DONE_MARKER).is_file():
            self._goes_on_from("sft", self.folder.sft, TRAINING_KEYS)
        examples = self.evaluation_examples()
        rounds = [number for number in range(1, recipe.rounds + 1) if self._align_is_done(number)]
        results_file = self.folder.evaluate / "results.json"
        inputs = self._inputs(EVALUATE_KEYS, examples) | {"rounds_done": len(rounds)}
        inputs_file = self.folder.evaluate / "inputs.json"
        if results_file.is_file() and inputs_file.is_file() and runs.read_json(inputs_file) == inputs:
            self.say("evaluate: done before")
            results: dict[str, Any] = runs.read_json(results_file)
            return results
        self.say("evaluate")
        strong = self._open(recipe.strong, "strong")
        setting = Setting(
            weak=self._weak_stages(rounds), strong=strong, collaborate=self._collaboration_of(strong), task=self.task
        )
        methods = make_methods(recipe.evaluate.methods, setting)
        # Only now: what is wrong with the input must not cost the results that are there.
        results_file.unlink(missing_ok=True)
        runs.write_json(inputs_file, inputs)
        runs.write_text(self.folder.recipe, self.recipe.to_yaml())
        return evaluate(
            examples,
            methods,
            out=self.folder.evaluate,
            seed=recipe.seed,
            num_in_flight=self._num_in_flight(examples),
        )

    def collaboration(self, *, kept: bool = True) -> Collaboration:
        """The pair as it is now: the last finished round's weak model, or the one after SFT, with the strong model.

        A weak model on a server is taken as it is. Calls are made at once, also where the recipe says `batch`.

        Args:
            kept: whether calls are found in the ledger and kept there.
        """
        number = 0
        while self.recipe.weak.provider == "local" and self._align_is_done(number + 1):
            number += 1
        configs = {"weak": self._weak_after_round(number), "strong": self.recipe.strong}
        weak, strong = (
            open_model(
                config.model_copy(update={"batch": False}),
                role=role,
                ledger=self.ledger if kept else None,
                seed=self.recipe.seed,
            )
            for role, config in configs.items()
        )
        return self._collaboration_of(strong)(weak)

    def next_round(self) -> int:
        """The first round whose alignment is not finished; the last round where all are."""
        for number in range(1, self.recipe.rounds + 1):
            if not self._align_is_done(number):
                return number
        return self.recipe.rounds

    def sft_examples(self) -> Sequence[Example]:
        """The training rows that SFT learns from."""
        config = self.recipe.feedback
        train = self._checked_task.train
        return hold_back(train, config, self.recipe.seed)[0] if config.queries_from == "held_back" else train

    def feedback_examples(self) -> Sequence[Example]:
        """The training rows that each round of feedback draws its queries from."""
        config = self.recipe.feedback
        train = self._checked_task.train
        return hold_back(train, config, self.recipe.seed)[1] if config.queries_from == "held_back" else train

    def evaluation_examples(self) -> Sequence[Example]:
        """The examples that are measured."""
        return chosen(self._checked_task.split(self.recipe.evaluate.split), self.recipe.evaluate)

    def weak_stage_names(self) -> list[str]:
        """The weak model's stages when all rounds are done, as methods know them."""
        if self.recipe.weak.provider != "local":
            return ["sft"]  # on a server nothing is trained
        base = ["base"] if self._has_base else []
        return ["sft", *base, *(f"round_{number}" for number in range(1, self.recipe.rounds + 1))]

    def paid_calls(self) -> dict[str, int]:
        """Replies by role that the run's ledger holds already."""
        return self.ledger.counts() if self.folder.ledger.is_file() else {}

    @property
    def _has_base(self) -> bool:
        return self.recipe.weak.provider == "local" and self.recipe.sft.from_ is None

    def _collaboration_of(self, strong: ChatModel) -> Callable[[ChatModel], Collaboration]:
        recipe = self.recipe
        return lambda weak: Collaboration(
            weak,
            strong,
            format=recipe.format,
            prompts=self.prompts,
            weak_sampling=recipe.evaluate.weak_sampling or recipe.weak.sampling,
            strong_sampling=recipe.evaluate.strong_sampling or recipe.strong.sampling,
        )

    def _weak_stages(self, rounds: list[int]) -> dict[str, ChatModel]:
        configs = {"sft": self._weak_after_round(0)}
        if self._has_base:
            configs["base"] = self.recipe.weak
        configs |= {f"round_{number}": self._weak_after_round(number) for number in rounds}
        return {name: self._open(config, "weak") for name, config in configs.items()}

    def _weak_after_round(self, number: int) -> ModelConfig:
        """The weak model after round `number`; 0 is after SFT.

        Raises:
            InputError: that stage is not finished.
        """
        if self.recipe.weak.provider != "local" and number == 0:
            return self.recipe.weak
        folder = self.folder.sft if number == 0 else self.folder.align(number)
        if not (folder / DONE_MARKER).is_file():
            stage = "sft" if number == 0 else f"align of round {number}"
            raise InputError(
                f"The weak model after {stage} is not there yet ({str(folder)!r}). "
                f"Run `cowest {stage.split(maxsplit=1)[0]}` first, or `cowest run` for all stages."
            )
        return self._with_model(TrainedModel.read(folder).model)

    def _with_model(self, location: str) -> ModelConfig:
        name = location if location.startswith("local/") else f"local/{location}"
        return self.recipe.weak.model_copy(update={"model": name})

    def _pairs(self, number: int) -> Path:
        return self.folder.feedback(number) / "pairs.jsonl"

    def _align_is_done(self, number: int) -> bool:
        return (self.folder.align(number) / DONE_MARKER).is_file()

    def _needs_local_weak(self, stage: str) -> None:
        if self.recipe.weak.provider != "local":
            raise InputError(
                f"{stage} trains the weak model's weights, but weak.model is {self.recipe.weak.model!r}. "
                "Give local/FOLDER. A weak model on a server can take part in feedback and evaluate only."
            )

    def _open(self, config: ModelConfig, role: str) -> ChatModel:
        return open_model(config, role=role, ledger=self.ledger, seed=self.recipe.seed)

    def _judge(self, strong: ChatModel) -> Judge:
        judge = self.recipe.judge
        if isinstance(judge, ProgramJudge):
            return self._program_judge(judge)
        if judge == "strong":
            return ModelJudge(open_model(strong, role="judge"), self.prompts)
        return ModelJudge(self._open(judge, "judge"), self.prompts, judge.sampling)

    def _num_in_flight(self, examples: Sequence[Example]) -> int:
        """Examples worked on at once: all where a model is called in batches, so that each round is one batch."""
        recipe = self.recipe
        models = [each for each in (recipe.weak, recipe.strong, recipe.judge) if isinstance(each, ModelConfig)]
        return len(examples) if any(model.batch for model in models) else recipe.strong.max_concurrency

    def _program_judge(self, judge: ProgramJudge) -> Judge:
        options = {key: value for key, value in judge.model_dump().items() if key != "name"}
        return load_judge(judge.name, self.task, **options)

    def _inputs(self, keys: Sequence[str], examples: Sequence[Example]) -> dict[str, Any]:
        return claims.inputs_of(self.recipe.model_dump(mode="json", by_alias=True), keys, examples, self.prompts)

    def _goes_on_from(self, stage: str, out: Path, keys: Sequence[str]) -> None:
        """Refuses to go on from a stage that was made by another recipe."""
        inputs = self._inputs(keys, ())
        claims.check(stage, out, {key: value for key, value in inputs.items() if key != "examples"})

    def _is_done(self, stage: str, out: Path, keys: Sequence[str], examples: Sequence[Example], marker: str) -> bool:
        """Whether the stage is finished; claims its folder for this recipe if it is new.

        Raises:
            InputError: the folder belongs to another recipe.
        """
        if distributed.is_main_process():
            is_new = claims.claim(stage, out, self._inputs(keys, examples))
            if is_new:
                runs.write_text(self.folder.recipe, self.recipe.to_yaml())
        done = (out / marker).is_file()
        self.say(f"{stage}: done before" if done else stage)
        return done

    @staticmethod
    def _needs_one_process(stage: str) -> None:
        if distributed.num_processes() > 1:
            raise InputError(
                f"{stage} was started in {distributed.num_processes()} processes, but one process owns the ledger and "
                "the limits of a key. Launch only `cowest sft` and `cowest align` with accelerate."
            )


def _training_progress(bar: ProgressBar) -> Callable[[int, int, dict[str, float]], None]:
    shown = {"loss": "loss", "rewards/accuracies": "chosen above rejected"}
    return lambda done, total, metrics: bar.update(
        done, total, **{label: metrics[name] for name, label in shown.items() if name in metrics}
    )
