"""Which prompt templates each stage of a recipe can use: its folder belongs to their text, and to no other."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from cowest import plugins
from cowest.formats import load_format
from cowest.judge import ModelJudge, find_judge
from cowest.methods import find_methods
from cowest.prompts.declared import templates_of
from cowest.recipe import ProgramJudge, Recipe
from cowest.stages.explanations import explain_example


class Used(NamedTuple):
    """The templates that a stage can use.

    Attributes:
        names: those that are declared.
        declared: whether that is all; otherwise something in the stage declares nothing, and it may use any.
    """

    names: frozenset[str]
    declared: bool = True

    @classmethod
    def by(cls, things: Iterable[object]) -> Self:
        """What all of these things use, as they declare it."""
        found = [templates_of(thing) for thing in things]
        return cls(frozenset().union(*(names for names in found if names is not None)), None not in found)

    def and_by(self, other: "Used") -> "Used":
        """What either uses."""
        return Used(self.names | other.names, self.declared and other.declared)


def of_drafts(recipe: Recipe) -> Used:
    """The format's own template: all that SFT and the training of an annotator use."""
    return Used(frozenset([load_format(recipe.format).template]))


def of_explanations(recipe: Recipe) -> Used:
    """What explains training rows and checks the explanations."""
    return Used.by([explain_example])


def of_feedback(recipe: Recipe) -> Used:
    """What the drafts, the kind of feedback, the judge and the null-draft control use."""
    kind = plugins.load(recipe.feedback.kind, "cowest.annotators", "kind of feedback")
    judge = find_judge(recipe.judge.name) if isinstance(recipe.judge, ProgramJudge) else ModelJudge
    used = of_drafts(recipe).and_by(Used.by([kind, judge]))
    control = {"solo_chain_of_thought"} if recipe.feedback.null_control else set()
    return used._replace(names=used.names | control)


def of_probe(recipe: Recipe) -> Used:
    """What feedback uses, and collaborative feedback, whose way a probe goes."""
    collaborative = recipe.feedback.model_copy(update={"kind": "collaborative"})
    return of_feedback(recipe).and_by(of_feedback(recipe.model_copy(update={"feedback": collaborative})))


def of_evaluation(recipe: Recipe) -> Used:
    """What feedback uses, on which the aligned models rest, and the methods."""
    return of_feedback(recipe).and_by(Used.by(find_methods(recipe.evaluate.methods)))
