"""Runs the stages of a recipe in order, skips what is done, runs rounds."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from cowest import claims, distributed, plugins, runs, synchronous
from cowest.annotators import RLAIF, RewardModel
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.formats import load_format
from cowest.judge import Judge, ModelJudge, load_judge
from cowest.ledger import Ledger, network_file_system
from cowest.methods import Setting, find_methods, make_methods
from cowest.models import ChatModel, ModelConfig, open_model
from cowest.models.tokens import TokenCounter
from cowest.progress import ProgressBar, progress_bar
from cowest.prompts import Prompts
from cowest.recipe import ProgramJudge, Recipe
from cowest.report.harvest import null_control_sentence
from cowest.report.records import Feedback
from cowest.retrieval import Retriever
from cowest.stages.align import align
from cowest.stages.annotator import train_annotator
from cowest.stages.evaluate import chosen, evaluate
from cowest.stages.feedback import FeedbackConfig, draw, feedback, hold_back
from cowest.stages.sft import sft
from cowest.tasks import Task, load_task
from cowest.training import TrainedModel
from cowest.training import weights as model_files
from cowest.training.trained import DONE_MARKER
from cowest.types import Example, GradedExample

Say = Callable[[str], None]

SFT_KEYS = ("seed", "task", "format", "weak.model", "lora", "sft", "prompts")
"""What a finished SFT depends on; a run folder whose stage was made with other values belongs to another recipe."""

TRAINING_KEYS = ("seed", "format", "weak.model", "lora", "sft")
FEEDBACK_KEYS = (
    *SFT_KEYS,
    *("weak.base_url", "weak.sampling", "weak.redact"),
    *("strong.model", "strong.base_url", "strong.sampling", "strong.redact", "judge", "feedback"),
)
JUDGE_KEYS = ("model", "base_url", "sampling", "repeats")
LABELLER_KEYS = ("model", "base_url", "sampling", "redact")
ALIGN_KEYS = (*FEEDBACK_KEYS, "align")
RLWF = "rlwf"
"""The kind of feedback that needs a trained annotator."""

EVALUATE_KEYS = (*ALIGN_KEYS, "rounds", "evaluate", "retrieval")


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
        """The run's ledger, its own or a shared one, opened when first needed and closed with the pipeline."""
        path = self.folder.locate_ledger(self.recipe.ledger)
        if kind := network_file_system(path):
            self.say(
                f"the ledger {str(path)!r} lies on a network file system ({kind}), where SQLite's locks are not to be "
                "relied on; name a local file with ledger=PATH"
            )
        ledger = self._exit.enter_context(contextlib.closing(Ledger(path, self.folder.id)))
        self.folder.link_ledger(path)
        return ledger

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
        self.train()
        return self.evaluate()

    def train(self) -> None:
        """SFT and every round of feedback and alignment."""
        self._needs_one_process("run")
        self.check()
        self.sft()
        for number in range(1, self.recipe.rounds + 1):
            self.feedback(number)
            if not self._pairs(number).stat().st_size:
                self.say(f"align, round {number}: feedback gave no pair, so there is nothing to learn; no more rounds")
                break
            self.align(number)

    def check(self) -> None:
        """Looks at everything that can be wrong before any work or money goes in.

        Raises:
            InputError: a split is missing or broken, a model cannot be opened, or a method cannot work here.
        """
        _ = self._checked_task.train, self.evaluation_examples()
        weak = self.recipe.weak if self.recipe.sft.from_ is None else self._with_model(self.recipe.sft.from_)
        drafting, strong = self._open(weak, "weak"), self._open(self.recipe.strong, "strong")
        self._judge(strong)
        self._labeller()
        make_methods(
            self.recipe.evaluate.methods, self.setting(dict.fromkeys(self.weak_stage_names(), drafting), strong)
        )

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
        self._gather(examples, weak, out, recipe.feedback, self._reward() if recipe.feedback.kind == RLWF else None)
        summary = Feedback.model_validate(runs.read_json(out / "summary.json"))
        if summary.num_failed:
            self.say(
                f"feedback, round {number}: {summary.num_failed} of {summary.num_examples} queries failed and are left "
                f"out; {str(out / 'failures.jsonl')!r} says why"
            )
        if summary.null_control is not None:
            self.say(f"feedback, round {number}, {null_control_sentence(summary.null_control)}")

    def probe(self, number: int, examples: Sequence[Example], out: Path) -> list[GradedExample]:
        """Grades drafts of the weak model after round `number` as collaborative feedback does, leaving no call out.

        Args:
            number: 0 is after SFT.
            examples: any, such as those of a test split; nothing is trained on them.
            out: a folder for the files of feedback; a second call reads them.
        """
        weak = self._weak_after_round(number)
        keys = ALIGN_KEYS if number else FEEDBACK_KEYS
        if not self._is_done(f"probe after round {number}", out, keys, examples, marker="summary.json"):
            whole = {"kind": "collaborative", "skip_settled": False, "null_control": 0, "max_pairs": None}
            self._gather(examples, weak, out, self.recipe.feedback.model_copy(update=whole))
        return [GradedExample.model_validate(row) for row in runs.read_jsonl(out / "graded.jsonl")]

    def _reward(self) -> RewardModel:
        """The reward of RLWF's annotator, which is tuned once, before the first round, from the model after SFT."""
        recipe, out = self.recipe, self.folder.annotator
        self._needs_local_weak("annotator")
        start = self._weak_after_round(0)
        examples = draw(self.sft_examples(), recipe.feedback.queries, recipe.seed, round_number=0)
        if not self._is_done("annotator", out, ALIGN_KEYS, examples, marker=DONE_MARKER):
            weak = self._open(start, "weak")
            with claims.given_up_if_refused(out), progress_bar("annotator") as bar:
                train_annotator(
                    start.model,
                    examples,
                    collaboration=Collaboration(
                        weak,
                        weak,  # it only drafts
                        format=recipe.format,
                        prompts=self.prompts,
                        weak_sampling=recipe.weak.sampling,
                    ),
                    task=self.task,
                    out=out,
                    config=recipe.align,
                    lora=recipe.lora,
                    seed=recipe.seed,
                    num_in_flight=self._num_in_flight(examples),
                    progress=_training_progress(bar),
                )
            synchronous.run(weak.close())
        from cowest.training.reward import ImplicitReward

        tuned, reference = TrainedModel.read(out).model, start.model
        return ImplicitReward(model_files.find(tuned), model_files.find(reference), recipe.align.beta)

    def _gather(
        self,
        examples: Sequence[Example],
        weak: ModelConfig,
        out: Path,
        config: FeedbackConfig,
        reward: RewardModel | None = None,
    ) -> None:
        recipe = self.recipe
        with claims.given_up_if_refused(out, lambda: self._nothing_sent_or_kept):
            strong, drafting = self._open(recipe.strong, "strong"), self._open(weak, "weak")
            labeller = self._labeller()
            feedback(
                examples,
                weak=drafting,
                strong=strong,
                judge=self._judge(strong),
                out=out,
                config=config,
                format=recipe.format,
                prompts=self.prompts,
                weak_sampling=recipe.weak.sampling,
                strong_sampling=recipe.strong.sampling,
                ledger=self.ledger,
                task=self.task,
                reward=reward,
                labeller=labeller,
                seed=recipe.seed,
                num_in_flight=self._num_in_flight(examples),
            )
        # Training comes next and wants the memory.
        for model in (drafting, strong, *([] if labeller is None else [labeller])):
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
        if self._retriever is not None:
            inputs["corpus"] = self._retriever.digest
        inputs_file = self.folder.evaluate / "inputs.json"
        if results_file.is_file() and inputs_file.is_file() and runs.read_json(inputs_file) == inputs:
            results: dict[str, Any] = runs.read_json(results_file)
            failed = [name for name, row in results["methods"].items() if "failed" in row]
            if not failed:
                self.say("evaluate: done before")
                return results
            self.say(f"evaluate: once more, since every call of {', '.join(failed)} failed")
        self.say("evaluate")
        strong = self._open(recipe.strong, "strong")
        methods = make_methods(recipe.evaluate.methods, self.setting(self._weak_stages(rounds), strong))
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
        configs = {"weak": self._weak_after_round(self.num_rounds_done()), "strong": self.recipe.strong}
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

    def num_rounds_done(self) -> int:
        """How many rounds of alignment are finished."""
        number = 0
        while self.recipe.weak.provider == "local" and self._align_is_done(number + 1):
            number += 1
        return number

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

    def unseen_examples(self) -> Sequence[Example]:
        """Examples that the weak model was not trained on and that are not measured: predictions on them are honest.

        The rows that feedback keeps out of SFT, else the validation split; none where the recipe has neither. A row
        whose question SFT saw elsewhere is left out.
        """
        recipe, measured = self.recipe, self.recipe.evaluate.split
        if recipe.feedback.queries_from == "held_back" and measured != "train":
            unseen = self.feedback_examples()
        elif recipe.task.validation is not None and measured != "validation":
            unseen = self._checked_task.validation
        else:
            return ()
        seen = {_as_asked(self.task.identity(example)) for example in self.sft_examples()} if recipe.task.train else ()
        return [example for example in unseen if _as_asked(self.task.identity(example)) not in seen]

    def setting(self, weak: Mapping[str, ChatModel], strong: ChatModel) -> Setting:
        """What the recipe's methods are made from, with the weak model's stages by name."""
        recipe = self.recipe
        return Setting(
            weak=weak,
            strong=strong,
            collaborate=self._collaboration_of(strong),
            task=self.task,
            seed=recipe.seed,
            options=recipe.evaluate.settings,
            retriever=self._retriever,
            unseen=self.unseen_examples,
            logprobs={"weak": recipe.weak.gives_logprobs, "strong": recipe.strong.gives_logprobs},
            count_tokens=self._count_tokens,
        )

    def weak_stage_names(self) -> list[str]:
        """The weak model's stages when all rounds are done, as methods know them."""
        if self.recipe.weak.provider != "local":
            return ["sft"]  # on a server nothing is trained
        base = ["base"] if self._has_base else []
        return ["sft", *base, *(f"round_{number}" for number in range(1, self.recipe.rounds + 1))]

    def paid_calls(self) -> dict[str, int]:
        """Replies by role that the run's ledger holds already."""
        return self.ledger.counts() if self.folder.ledger.is_file() else {}

    def _count_tokens(self, text: str) -> int:
        return self._strong_tokens.count(text)

    @cached_property
    def _strong_tokens(self) -> TokenCounter:
        return TokenCounter(self.recipe.strong)

    @cached_property
    def _retriever(self) -> Retriever | None:
        config = self.recipe.retrieval
        return None if config.corpus is None else Retriever(config.corpus, config.top_k, self.folder.retrieval)

    @property
    def _nothing_sent_or_kept(self) -> bool:
        """Whether no call of this run was answered and no batch is under way: nothing that another recipe could mix."""
        return not self.ledger.counts() and not self.ledger.path.with_suffix(".batches.jsonl").is_file()

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
        shared_with = ("judge",) if role == "strong" and self.recipe.judge == "strong" else ()
        return open_model(config, role=role, ledger=self.ledger, seed=self.recipe.seed, shared_with=shared_with)

    def _judge(self, strong: ChatModel) -> Judge:
        judge = self.recipe.judge
        if isinstance(judge, ProgramJudge):
            return self._program_judge(judge)
        if judge == "strong":
            return ModelJudge(open_model(strong, role="judge"), self.prompts)
        return ModelJudge(self._open(judge, "judge"), self.prompts, judge.sampling, judge.repeats)

    def _labeller(self) -> ChatModel | None:
        """Who compares drafts, where the kind of feedback compares and the recipe names a model of its own for it."""
        config = self.recipe.feedback.labeller
        return None if config is None or self.recipe.feedback.kind != RLAIF else self._open(config, "labeller")

    def _num_in_flight(self, examples: Sequence[Example]) -> int:
        """Examples worked on at once: all where a model is called in batches, so that each round is one batch."""
        recipe = self.recipe
        called = (recipe.weak, recipe.strong, recipe.judge, recipe.feedback.labeller)
        models = [each for each in called if isinstance(each, ModelConfig)]
        return len(examples) if any(model.batch for model in models) else recipe.strong.max_concurrency

    def _program_judge(self, judge: ProgramJudge) -> Judge:
        options = {key: value for key, value in judge.model_dump().items() if key != "name"}
        return load_judge(judge.name, self.task, **options)

    def _inputs(self, keys: Sequence[str], examples: Sequence[Example]) -> dict[str, Any]:
        recipe = self.recipe.model_dump(mode="json", by_alias=True)
        if isinstance(self.recipe.judge, ModelConfig):  # its limits and its budget may change, as those of strong may
            recipe["judge"] = {key: recipe["judge"][key] for key in JUDGE_KEYS}
        feedback = recipe["feedback"]
        if self.recipe.feedback.kind != RLAIF:
            del feedback["labeller"]  # no result depends on it
        elif self.recipe.feedback.labeller is not None:
            feedback["labeller"] = {key: feedback["labeller"][key] for key in LABELLER_KEYS}
        return claims.inputs_of(recipe, keys, examples, self.prompts)

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


def _as_asked(question: str) -> str:
    return " ".join(question.casefold().split())


def _training_progress(bar: ProgressBar) -> Callable[[int, int, dict[str, float]], None]:
    shown = {"loss": "loss", "rewards/accuracies": "chosen above rejected"}
    return lambda done, total, metrics: bar.update(
        done, total, **{label: metrics[name] for name, label in shown.items() if name in metrics}
    )
