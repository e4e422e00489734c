"""What each stage's result depends on; whether its folder is finished, or belongs to another recipe."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cowest import chat_templates, distributed, fingerprints, runs
from cowest.annotators import RLAIF
from cowest.pipeline.progress import Say
from cowest.pipeline.templates import (
    UsedTemplates,
    draft_templates,
    evaluation_templates,
    explanation_templates,
    feedback_templates,
    gate_templates,
    probe_templates,
)
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.records import StageInputs
from cowest.types import Example

SFT_KEYS = ("seed", "task", "format", "weak.model", "weak.chat_template", "lora", "sft")
"""What a finished SFT depends on; a folder made with other values belongs to another recipe."""

TRAINING_KEYS = ("seed", "format", "weak.model", "weak.chat_template", "lora", "sft")
EXPLANATION_KEYS = (
    *("task", "format", "sft.explanations"),
    *("strong.model", "strong.base_url", "strong.sampling", "strong.redact"),
)
FEEDBACK_KEYS = (
    *SFT_KEYS,
    *("weak.base_url", "weak.sampling", "weak.redact"),
    *("strong.model", "strong.base_url", "strong.sampling", "strong.redact", "judge", "feedback"),
)
JUDGE_KEYS = ("model", "base_url", "sampling", "repeats")
LABELLER_KEYS = ("model", "base_url", "sampling", "redact")
ALIGN_KEYS = (*FEEDBACK_KEYS, "align")
EVALUATE_KEYS = (*ALIGN_KEYS, "rounds", "evaluate", "retrieval")
GATE_KEYS = (
    *(*TRAINING_KEYS, "weak.base_url", "weak.sampling", "weak.redact", "rounds"),
    *("strong.model", "strong.base_url", "strong.sampling", "strong.redact"),
    *("evaluate.weak_sampling", "evaluate.strong_sampling"),
)
"""Who the gate is for. Its target and the prices may change: they cost no calls, and are tried one after another."""

SEVERAL_ENDPOINTS = "several endpoints"
"""Recorded of a list of addresses, since no result depends on which of them answered, or on how many there are."""

_KEPT = "Give another folder with run=..., the old values, or --force to replace those results once new ones are whole."


class Dependencies(NamedTuple):
    """What determines a stage's result besides its examples: recipe keys and prompt templates."""

    keys: tuple[str, ...]
    templates: Callable[[Recipe], UsedTemplates]


SFT_DEPENDENCIES = Dependencies(SFT_KEYS, draft_templates)
EXPLANATION_DEPENDENCIES = Dependencies(EXPLANATION_KEYS, explanation_templates)
TRAINING_DEPENDENCIES = Dependencies(TRAINING_KEYS, draft_templates)
FEEDBACK_DEPENDENCIES = Dependencies(FEEDBACK_KEYS, feedback_templates)
ANNOTATOR_DEPENDENCIES = Dependencies(ALIGN_KEYS, draft_templates)
ALIGN_DEPENDENCIES = Dependencies(ALIGN_KEYS, feedback_templates)
EVALUATION_DEPENDENCIES = Dependencies(EVALUATE_KEYS, evaluation_templates)
GATE_DEPENDENCIES = Dependencies(GATE_KEYS, gate_templates)


def probe_dependencies(number: int) -> Dependencies:
    """The dependencies of a probe of the model after round `number`."""
    return Dependencies(ALIGN_KEYS if number else FEEDBACK_KEYS, probe_templates)


class Provenance:
    """Which recipe the folders of a run's stages belong to.

    Args:
        recipe: of the run.
        folder: of the run.
        prompts: of the recipe.
        say: called with one line for each stage that is checked.
    """

    def __init__(self, recipe: Recipe, folder: runs.RunFolder, prompts: Prompts, say: Say) -> None:
        self._recipe = recipe
        self._folder = folder
        self._prompts = prompts
        self._say = say

    def check_templates(self) -> None:
        """Checks that the templates which parts of the recipe declare exist.

        Raises:
            InputError: one of them does not.
        """
        self._prompts.versions(evaluation_templates(self._recipe).names)

    def unfenced(self) -> list[str]:
        """A warning for each used template in which a judged text could close the fence around itself."""
        used = evaluation_templates(self._recipe)
        warnings = self._prompts.unfenced
        return [warning for name, warning in warnings.items() if name in used.names or not used.declared]

    def inputs(self, dependencies: Dependencies, examples: Sequence[Example], **also: str | int | None) -> StageInputs:
        """The inputs of a stage; `also` sets further fields of the record."""
        recipe = self._recipe.model_dump(mode="json", by_alias=True)
        for section in (recipe["weak"], recipe["strong"], recipe["feedback"]["labeller"]):
            _forget_addresses(section)
        recipe["judge"] = _deciding(recipe["judge"])
        if (template := chat_templates.read(self._recipe.weak.chat_template)) is not None:  # a file may change
            recipe["weak"]["chat_template"] += f" {chat_templates.fingerprint(template)}"
        for key in self._recipe.align.idle_keys():
            del recipe["align"][key]
        feedback = recipe["feedback"]
        if feedback["spend"] is None:
            del feedback["spend"]
        if feedback["drafts"] == "all":
            del feedback["drafts"]
        if self._recipe.feedback.kind != RLAIF:
            del feedback["labeller"]  # no result depends on it
        elif self._recipe.feedback.labeller is not None:
            feedback["labeller"] = {key: feedback["labeller"][key] for key in LABELLER_KEYS}
        used = dependencies.templates(self._recipe)
        templates = used.names if used.declared else None
        inputs = fingerprints.inputs_of(recipe, dependencies.keys, examples, self._prompts, templates)
        return inputs.model_copy(update=also)

    def is_made_from(self, out: Path, dependencies: Dependencies, inputs: StageInputs) -> bool:
        """Whether a stage's folder was made from `inputs`, disregarding templates that it does not use."""
        return fingerprints.matches(out, inputs, self._maybe_unused(dependencies))

    def require_same_recipe(self, stage: str, out: Path, dependencies: Dependencies) -> None:
        """Refuses to build on a stage that another recipe made.

        Raises:
            InputError: the stage belongs to another recipe.
        """
        inputs = self.inputs(dependencies, ()).model_copy(update={"examples": None})
        fingerprints.verify(stage, out, inputs, self._maybe_unused(dependencies))

    def require_same_results(self, stage: str, out: Path, dependencies: Dependencies, inputs: StageInputs) -> None:
        """Refuses to replace finished results of other inputs; further rounds of the same recipe may.

        Args:
            stage: its name, for messages.

        Raises:
            InputError: the results belong to another recipe.
        """
        before = fingerprints.read(out)
        if before is not None and before.is_continued_by(inputs):
            inputs = inputs.without_rounds()
        fingerprints.verify(stage, out, inputs, self._maybe_unused(dependencies), _KEPT)

    def is_done(
        self,
        stage: str,
        out: Path,
        dependencies: Dependencies,
        examples: Sequence[Example],
        marker: str,
        **also: str | int | None,
    ) -> bool:
        """Whether the stage is finished; binds its folder to this recipe if it is new.

        Args:
            stage: its name, for messages.
            out: its folder.
            dependencies: what determines its result.
            examples: those that it works on.
            marker: the file in `out` that is written last.
            also: further fields of its inputs.

        Raises:
            InputError: the folder belongs to another recipe.
        """
        if distributed.is_main_process():
            is_new = fingerprints.stamp(
                stage, out, self.inputs(dependencies, examples, **also), self._maybe_unused(dependencies)
            )
            if is_new:
                self.keep_recipe()
        done = (out / marker).is_file()
        self._say(f"{stage}: done before" if done else stage)
        return done

    def keep_recipe(self) -> None:
        """Writes the recipe as resolved into the run's folder."""
        runs.write_text(self._folder.recipe, self._recipe.to_yaml())

    def _maybe_unused(self, dependencies: Dependencies) -> Collection[str]:
        used = dependencies.templates(self._recipe)
        return () if used.declared else self._prompts.versions().keys() - used.names


def _deciding(judge: Any) -> Any:
    """What decides the verdicts of the recipe's judge: limits and budgets may change, as for the strong model."""
    if not isinstance(judge, dict) or "name" in judge:  # a program, whose options are its own
        return judge
    if "panel" in judge:
        members = sorted((_deciding(member) for member in judge["panel"]), key=repr)
        return {"panel": members, "rule": judge["rule"], "reference": judge["reference"]}
    if "model" in judge:
        _forget_addresses(judge)
        more = {"reference": "none"} if judge.get("reference") == "none" else {}
        more |= {"redact": judge["redact"]} if judge.get("redact") is not None else {}
        return {key: judge[key] for key in JUDGE_KEYS} | more
    return judge


def _forget_addresses(section: dict[str, Any] | None) -> None:
    """Leaves open which endpoints a section lists, and how many."""
    if section is not None and isinstance(section.get("base_url"), list):
        section["base_url"] = SEVERAL_ENDPOINTS
