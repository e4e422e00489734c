"""Which prompt templates each stage of a recipe can use, and so which of their texts its result depends on."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from cowest import plugins
from cowest.formats import load_format
from cowest.judge import ModelJudge, PairwiseJudge, find_judge
from cowest.judge.config import ProgramJudge
from cowest.methods import final_answer, find_methods
from cowest.prompts.declared import templates_of
from cowest.recipe import Recipe
from cowest.stages.explanations import explain_example


class UsedTemplates(NamedTuple):
    """The templates that a stage can use.

    Attributes:
        names: those that are declared.
        declared: whether these are all; False where a part of the stage declares nothing and may use any template.
    """

    names: frozenset[str]
    declared: bool = True

    @classmethod
    def declared_by(cls, parts: Iterable[object]) -> Self:
        """The templates that these methods, kinds of feedback and judges declare."""
        declared = [templates_of(part) for part in parts]
        return cls(frozenset().union(*(names for names in declared if names is not None)), None not in declared)

    def union(self, other: "UsedTemplates") -> "UsedTemplates":
        """The templates that either uses."""
        return UsedTemplates(self.names | other.names, self.declared and other.declared)


def draft_templates(recipe: Recipe) -> UsedTemplates:
    """Templates of SFT and of the annotator's training: the format's own."""
    return UsedTemplates(frozenset([load_format(recipe.format).template]))


def explanation_templates(recipe: Recipe) -> UsedTemplates:
    """Templates that explain training rows and check the explanations."""
    return UsedTemplates.declared_by([explain_example])


def gate_templates(recipe: Recipe) -> UsedTemplates:
    """Templates of the gate: of the drafts, and of the strong model alone and with a draft."""
    return UsedTemplates(draft_templates(recipe).names | {"solo_chain_of_thought", "refine"})


def feedback_templates(recipe: Recipe) -> UsedTemplates:
    """Templates of feedback: of the drafts, the kind of feedback, the judge and the null control."""
    kind = plugins.load(recipe.feedback.kind, "cowest.annotators", "kind of feedback")
    judge: object = ModelJudge if recipe.needs_references else PairwiseJudge
    if isinstance(recipe.judge, ProgramJudge):
        judge = find_judge(recipe.judge.name)
    used = draft_templates(recipe).union(UsedTemplates.declared_by([kind, judge]))
    control = {"solo_chain_of_thought"} if recipe.feedback.null_control else set()
    return used._replace(names=used.names | control)


def probe_templates(recipe: Recipe) -> UsedTemplates:
    """Templates of a probe: of feedback, and of collaborative feedback, which the probe uses."""
    collaborative = recipe.feedback.model_copy(update={"kind": "collaborative"})
    return feedback_templates(recipe).union(feedback_templates(recipe.model_copy(update={"feedback": collaborative})))


def evaluation_templates(recipe: Recipe) -> UsedTemplates:
    """Templates of the evaluation: of the methods, and of the feedback behind the aligned models."""
    parts: list[object] = [*find_methods(recipe.evaluate.methods)]
    parts += [final_answer] if recipe.evaluate.final_answer == "ask" else []
    return feedback_templates(recipe).union(UsedTemplates.declared_by(parts))
