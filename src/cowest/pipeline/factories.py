"""Factories shared by the pipeline, which uses real models, and planning, which uses stand-ins."""

from collections.abc import Callable, Mapping
from typing import Literal

from cowest.collaboration import Collaboration
from cowest.judge import BaseJudge, JudgeConfig, ModelJudge, PairwiseJudge, PanelConfig, PanelJudge
from cowest.methods import Setting
from cowest.models import ChatModel
from cowest.models.tokens import TokenCounter
from cowest.pipeline.data import Data
from cowest.prompts import Prompts
from cowest.recipe import Recipe
from cowest.retrieval import Retriever


def feedback_pair(recipe: Recipe, prompts: Prompts, weak: ChatModel, strong: ChatModel) -> Collaboration:
    """The collaboration with the sampling of feedback."""
    return Collaboration(
        weak,
        strong,
        format=recipe.format,
        prompts=prompts,
        weak_sampling=recipe.weak.sampling,
        strong_sampling=recipe.strong.sampling,
    )


def evaluation_pair(recipe: Recipe, prompts: Prompts, weak: ChatModel, strong: ChatModel) -> Collaboration:
    """The collaboration with the sampling of evaluation."""
    return Collaboration(
        weak,
        strong,
        format=recipe.format,
        prompts=prompts,
        weak_sampling=recipe.evaluate.weak_sampling or recipe.weak.sampling,
        strong_sampling=recipe.evaluate.strong_sampling or recipe.strong.sampling,
        asks_for_final_answer=recipe.evaluate.final_answer == "ask",
    )


def model_judge(recipe: Recipe, prompts: Prompts, open_model: Callable[[str], ChatModel]) -> BaseJudge:
    """The recipe's judge, or the panel of them.

    Args:
        open_model: opens the model of a judge by its role, one of `recipe.judge_models()`.
    """
    kind: type[ModelJudge] | type[PairwiseJudge] = ModelJudge if recipe.needs_references else PairwiseJudge

    def judge(role: str, config: Literal["strong"] | JudgeConfig) -> ModelJudge | PairwiseJudge:
        if isinstance(config, JudgeConfig):
            return kind(open_model(role), prompts, config.sampling, config.repeats)
        return kind(open_model(role), prompts)

    judges = {role: judge(role, config) for role, config in recipe.judge_models().items()}
    return PanelJudge(judges, recipe.judge.rule) if isinstance(recipe.judge, PanelConfig) else judges["judge"]


def method_setting(
    recipe: Recipe,
    prompts: Prompts,
    data: Data,
    weak: Mapping[str, ChatModel],
    strong: ChatModel,
    retriever: Retriever | None,
) -> Setting:
    """The setting from which the recipe's methods are made.

    Args:
        weak: the weak model's stages by name.
        retriever: over the recipe's corpus; None without a corpus.
    """
    return Setting(
        weak=weak,
        strong=strong,
        collaborate=lambda model: evaluation_pair(recipe, prompts, model, strong),
        task=data.task,
        is_trained=recipe.weak.provider == "local",
        seed=recipe.seed,
        options=recipe.evaluate.settings,
        retriever=retriever,
        unseen=data.unseen,
        logprobs={"weak": recipe.weak.gives_logprobs, "strong": recipe.strong.gives_logprobs},
        count_tokens=_LazyTokenCounter(recipe),
    )


class _LazyTokenCounter:
    """Counts the strong model's tokens; its tokenizer is loaded at the first text."""

    def __init__(self, recipe: Recipe) -> None:
        self._config = recipe.strong
        self._counter: TokenCounter | None = None

    def __call__(self, text: str) -> int:
        if self._counter is None:
            self._counter = TokenCounter(self._config)
        return self._counter.count(text)
