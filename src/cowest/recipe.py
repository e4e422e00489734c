"""The recipe: everything a run needs in one checked document, composed of the stages' own configs."""

import importlib.metadata
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cowest.alignment import AlignConfig
from cowest.bench_config import BenchConfig
from cowest.checking import check
from cowest.cluster.address import ClusterAddress
from cowest.collaboration import STRONG_SAMPLING, WEAK_SAMPLING
from cowest.errors import InputError
from cowest.judge import JUDGE_SAMPLING, STRONG, JudgeConfig
from cowest.judge.config import JudgeSection, ProgramJudge, models_of
from cowest.models.config import ModelConfig
from cowest.plugins import looked_in, resolve_path
from cowest.retrieval import RetrievalConfig
from cowest.runs import MAX_ROUNDS
from cowest.serving_config import ServeConfig
from cowest.stages.align import refuse_other_feedback
from cowest.stages.evaluate import EvaluateConfig
from cowest.stages.feedback_config import FeedbackConfig
from cowest.stages.sft import SFTConfig
from cowest.stages.swaps import AuditConfig
from cowest.tasks.base import Overlap
from cowest.trackers import TrackerName
from cowest.training.lora import LoRAConfig
from cowest.types import Record
from cowest.yaml_reading import read_yaml

IN_PROCESS = ("local", "scripted")
"""Providers whose models run in this process: no endpoint, and no cost."""


class TaskConfig(BaseModel):
    """A task by name, and whatever options the task itself takes.

    Attributes:
        name: a file of tasks/ or `package.module:Class`.
        train, validation, test: files of the splits: a path, `package:path` or `hub:NAME[@CONFIG][:SPLIT]`.
        overlap: of a question in two splits: "refuse" the data, "drop" it from the earlier split, or "keep" it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    overlap: Overlap = "refuse"

    @property
    def options(self) -> dict[str, Any]:
        """The task's options: everything but its name."""
        return {key: value for key, value in self.model_dump().items() if key != "name"}


class Recipe(Record):
    """A whole run. Every key defaults to the paper's value where the paper gives one.

    Attributes:
        run: the folder for the run's files.
        seed: of everything that is drawn or sampled.
        format: of the drafts; a file of formats/ or `package.module:Class`.
        weak, strong: the small model, which is trained to draft, and the large one, which refines.
        judge: "strong" is the strong model with the rubric of the paper's Figure 7; else a section of its own
            or a panel.
        rounds: of feedback and alignment.
        prompts: a folder of templates that replace those of the package by file name.
        cowest_version: written into the run's copy of the recipe.
        ledger: a file for the replies, which other runs may share; None means the run's own `ledger.sqlite`.
        cluster: a Ray cluster that drafts and trains: "auto" is this machine's, HOST:PORT another; None uses none.
        report_to: trackers that get the figures of the stages: tensorboard, trackio, wandb, mlflow.

    Examples:
        >>> import cowest
        >>> recipe = cowest.load_recipe("cowest.lab:recipe.yaml")
        >>> recipe.rounds, recipe.feedback.samples, recipe.strong.model
        (2, 5, 'local/cowest.lab:assets/strong-a')
    """

    run: str = Field(min_length=1, pattern=r"^[^\x00]*$")
    seed: int = Field(default=0, ge=0, lt=2**31)
    task: TaskConfig
    format: str = "chain_of_thought"
    weak: ModelConfig
    strong: ModelConfig
    judge: JudgeSection = "strong"
    lora: LoRAConfig = LoRAConfig()
    sft: SFTConfig = SFTConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    align: AlignConfig = AlignConfig()
    rounds: int = Field(default=1, ge=1, le=MAX_ROUNDS)
    retrieval: RetrievalConfig = RetrievalConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    audit: AuditConfig = AuditConfig()
    bench: BenchConfig = BenchConfig()
    serve: ServeConfig = ServeConfig()
    prompts: str | None = None
    ledger: str | None = Field(default=None, min_length=1, pattern=r"^[^\x00]*$")
    cluster: ClusterAddress | None = None
    report_to: tuple[TrackerName, ...] = ()
    cowest_version: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _paper_sampling(cls, data: Any) -> Any:
        """Fills in sampling values that are left out: the paper's, and in the evaluation the role's token limit."""
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        for role, default in (("weak", WEAK_SAMPLING), ("strong", STRONG_SAMPLING)):
            section = filled.get(role)
            if isinstance(section, dict) and isinstance(section.get("sampling", {}), dict):
                sampling = default.model_dump(exclude_none=True) | section.get("sampling", {})
                filled[role] = section | {"sampling": sampling}
                evaluate, key = filled.get("evaluate"), f"{role}_sampling"
                if isinstance(evaluate, dict) and isinstance(evaluate.get(key), dict):
                    filled["evaluate"] = evaluate | {key: {"max_tokens": sampling.get("max_tokens")} | evaluate[key]}
        return filled

    @model_validator(mode="after")
    def _no_vote_twice(self) -> Self:
        """A panel has the strong model once: not as itself and by a section that names the same model too."""
        itself = JudgeConfig(**self.strong.model_dump() | {"sampling": JUDGE_SAMPLING}).vote
        members = self.judge_models().values()
        if STRONG in members and any(isinstance(each, JudgeConfig) and each.vote == itself for each in members):
            raise ValueError("judge.panel names the strong model twice, as `strong` and by a section: one is enough")
        return self

    @model_validator(mode="after")
    def _alignment_fits_feedback(self) -> Self:
        refuse_other_feedback(self.align, self.feedback, self.weak)
        return self

    @model_validator(mode="after")
    def _weak_model_drafts_as_it_is_trained(self) -> Self:
        quantize, given = self.lora.quantize, self.weak.options.get("quantize")
        if given is not None and given != quantize and self.weak.provider == "local":
            raise ValueError(
                f"weak.options.quantize is {given}, and lora.quantize is {quantize or 'null'}. The weak model drafts "
                "over the weights that it is trained over: set lora.quantize alone"
            )
        if quantize is not None and self.weak.is_served:
            raise ValueError(
                f"lora.quantize is {quantize}, and weak.engine: {self.weak.engine} would draft over the whole weights, "
                "another model than the one that is trained. Leave out engine, or quantize"
            )
        return self

    @model_validator(mode="after")
    def _other_alignments_fit_this_one(self) -> Self:
        """The keys that a section of `bench.align` leaves out are those of `align`, so that it is judged with them."""
        for name, section in self.bench.align.items():
            self.align.changed_to(section, f"bench.align.{name}")
        return self

    @model_validator(mode="after")
    def _all_endpoints_redact(self) -> Self:
        """Where strong.redact is set, every other endpoint that sees the queries must say whether to redact them."""
        others = [("weak", self.weak), *self.judge_models().items(), ("feedback.labeller", self.feedback.labeller)]
        for role, other in others:
            if self.strong.redact is None or not isinstance(other, ModelConfig) or other.provider in IN_PROCESS:
                continue
            if "redact" not in other.model_fields_set:
                raise ValueError(
                    f"strong.redact is set, and {role}, which is sent the same queries, has no redact. Give it one, "
                    "or write `redact: null` there to send them as they are"
                )
        return self

    def judge_models(self) -> dict[str, Literal["strong"] | JudgeConfig]:
        """The models that judge, by role; none where the judge is a program."""
        return models_of(self.judge)

    @property
    def needs_references(self) -> bool:
        """Whether the judge needs a reference answer for every query of feedback."""
        return isinstance(self.judge, str | ProgramJudge) or self.judge.reference == "gold"

    def to_yaml(self) -> str:
        """The recipe as resolved, with the package's version; API keys appear by variable name only, never by value."""
        data = self.model_dump(mode="json", by_alias=True)
        data["cowest_version"] = importlib.metadata.version("cowest")
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Reads a recipe and applies `key.path=value` overrides, whose values are YAML.

    Args:
        path: a YAML file, `package:file`, or the folder of a run, which holds its recipe as resolved.

    Examples:
        >>> import cowest
        >>> cowest.load_recipe("cowest.lab:recipe.yaml", ["feedback.samples=8"]).feedback.samples
        8

    Raises:
        InputError: the file is missing, is not YAML, or a key or value is wrong.
    """
    file = resolve_path(str(path))
    file = file / "recipe.yaml" if file.is_dir() else file
    try:
        data = read_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"The recipe {str(path)!r} cannot be read: {error.strerror}.{looked_in(path)} Give the path of a YAML "
            "file, or a run's folder."
        ) from error
    except ValueError as error:  # also: not UTF-8
        raise InputError(f"The recipe {str(path)!r} is not YAML: {error}.") from error
    if not isinstance(data, dict):
        raise InputError(f"The recipe {str(path)!r} holds no keys. It needs at least: run, task, weak, strong.")
    for override in overrides or []:
        _apply_override(data, override)
    return make_recipe(data, source=str(path))


def make_recipe(data: dict[str, Any], source: str = "the recipe") -> Recipe:
    """Checks a recipe given as a dictionary.

    Raises:
        InputError: names every wrong key with its path, what was given and what is allowed.
    """
    return check(Recipe, data, f"{source} is not a valid recipe")


def _apply_override(data: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    keys = path.split(".")
    if not separator or not all(keys):
        raise InputError(f"The override {override!r} is not of the form key=value, e.g. feedback.samples=8.")
    try:
        value = read_yaml(text) if text else None
    except ValueError as error:
        raise InputError(f"The value of the override {override!r} is not YAML. Quote it.") from error
    section = data
    for depth, key in enumerate(keys[:-1]):
        inner = section.setdefault(key, {})
        if not isinstance(inner, dict):
            inner = section[key] = {} if inner is None else inner
        if not isinstance(inner, dict):
            raise InputError(f"The override {override!r} goes into {'.'.join(keys[: depth + 1])}, which is {inner!r}.")
        section = inner
    section[keys[-1]] = value
