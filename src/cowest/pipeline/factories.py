"""Factories shared by the pipeline, which uses real models, and planning, which uses stand-ins."""

from collections.abc import Mapping

from cowest.collaboration import Collaboration
from cowest.judge import JudgeConfig, ModelJudge
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


def model_judge(recipe: Recipe, prompts: Prompts, model: ChatModel) -> ModelJudge:
    """The recipe's judge with this model, which is its own or the strong one."""
    if isinstance(recipe.judge, JudgeConfig):
        return ModelJudge(model, prompts, recipe.judge.sampling, recipe.judge.repeats)
    return ModelJudge(model, prompts)


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
