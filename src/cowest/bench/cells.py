"""The cells of a bench: each is an ordinary run with a recipe derived from the given one."""

import itertools
from collections.abc import Mapping
from typing import Any

from cowest import fingerprints, plugins
from cowest.alignment import AlignConfig
from cowest.annotators import SOLO
from cowest.bench.cell import Cell, make_cell
from cowest.errors import InputError
from cowest.method_names import COLLABORATE, ORACLE, STRONG_ONLY, WEAK_ALIGNED, WEAK_ONLY
from cowest.models import ModelConfig
from cowest.pipeline import EXPLANATION_KEYS, SFT_KEYS, asks_for_explanations
from cowest.prompts import Prompts
from cowest.recipe import Recipe

MAIN = "run"
"""The name of the recipe's own run among the cells."""

PAPERS_KIND = "collaborative"

MAIN_PAIR = f"method-{COLLABORATE}"
"""The cell that measures the pair of the recipe's own run, before and after each round."""

OWN = "own"
"""The name of the recipe's own models in the sweep over models, and of its own alignment in that over calls."""

UNTRAINED = (STRONG_ONLY, ORACLE, "skr", "flare")
"""Methods that use no trained model, so that no seed of training changes them."""


def require_trainable(recipe: Recipe) -> None:
    """Checks that the weak model is one that a bench can train.

    Raises:
        InputError: it is on a server, or a function.
    """
    if recipe.weak.provider != "local":
        raise InputError(
            f"A bench trains the weak model, but weak.model is {recipe.weak.model!r}. Give local/FOLDER, or take the "
            "recipe alone, without a bench."
        )


def make_cells(recipe: Recipe) -> list[Cell]:
    """The cells known before anything has run, in the order in which they run.

    Raises:
        InputError: the recipe of a cell would be invalid, or the recipe's own feedback is not collaborative.
    """
    if recipe.feedback.kind != PAPERS_KIND:
        raise InputError(
            f"A bench compares kinds of feedback with the paper's, but feedback.kind is {recipe.feedback.kind!r}. "
            f"Set it to {PAPERS_KIND}, and name others in bench.kinds."
        )
    cells = [
        *_method_cells(recipe),
        *_strong_cells(recipe),
        *_kind_cells(recipe),
        *_align_cells(recipe),
        *_queries_cells(recipe),
        *_format_cells(recipe),
        *_model_cells(recipe),
    ]
    by_name: dict[str, Cell] = {}
    for cell in cells:
        # Names can collide: "a" with "b-c", and "a-b" with "c".
        if (other := by_name.setdefault(cell.name, cell)) is not cell:
            raise InputError(
                f"Two cells of the bench would share the folder {cell.name!r}: {other.purpose} {other.value!r} and "
                f"{cell.purpose} {cell.value!r}. Give one of them another name in bench.weak, strong or align."
            )
    return cells


def make_pairs_cells(recipe: Recipe, num_pairs: int) -> list[Cell]:
    """The cells of the sweep over the number of preference pairs; none where alignment learns from single drafts.

    Args:
        num_pairs: pairs of the run's first round, the upper end of the sweep.
    """
    if not recipe.align.reads_pairs:
        return []
    counts = recipe.bench.pairs
    if counts is None:
        counts = (num_pairs // 4, num_pairs // 2)
    return [
        make_cell(recipe, "pairs", str(count), {"feedback": {"max_pairs": count}}, [COLLABORATE], rounds=1)
        for count in sorted(set(counts))
        if 0 < count < num_pairs
    ]


def make_equal_cells(recipe: Recipe, num_pairs: Mapping[str, int]) -> list[Cell]:
    """The cells that compare the kinds of feedback with as many pairs each, after one round.

    The kind that gave the fewest needs none: its first round is what is compared.

    Args:
        num_pairs: of the first round, by kind; those that gave none are left out.
    """
    counts = {kind: count for kind, count in num_pairs.items() if count}
    if not recipe.bench.equal_pairs or len(counts) < 2 or not recipe.align.reads_pairs:
        return []
    fewest = min(counts.values())
    return [
        make_cell(
            recipe,
            "equal",
            f"{kind} {fewest}",  # a rerun may find fewer, and pairs chosen before would belong to another recipe
            {"feedback": {"kind": kind, "max_pairs": fewest}},
            [COLLABORATE, WEAK_ALIGNED],
            rounds=1,
        )
        for kind, count in counts.items()
        if count > fewest
    ]


def method_names(recipe: Recipe) -> tuple[str, ...]:
    """The methods of the bench's rows: the configured ones and those that every bench needs."""
    configured = recipe.bench.methods
    if configured is None:
        configured = (*recipe.evaluate.methods, *plugins.choices("cowest.methods"))
    return tuple(dict.fromkeys((WEAK_ONLY, STRONG_ONLY, COLLABORATE, WEAK_ALIGNED, *configured)))


def sft_key(recipe: Recipe) -> str:
    """A key that is equal for recipes whose SFT gives the same model."""
    data = recipe.model_dump(mode="json", by_alias=True)
    keys = [*SFT_KEYS, "feedback.queries_from", "feedback.held_back_share"]
    if asks_for_explanations(recipe):
        keys += EXPLANATION_KEYS
    return fingerprints.inputs_of(data, keys, (), Prompts(recipe.prompts)).model_dump_json(by_alias=True)


def _method_cells(recipe: Recipe) -> list[Cell]:
    return [make_cell(recipe, "method", name, {}, [name], trains=False) for name in method_names(recipe)]


def _strong_cells(recipe: Recipe) -> list[Cell]:
    """Methods with another strong model; nothing is trained for it."""
    return [
        make_cell(
            recipe,
            "strong",
            f"{method} {name}",
            {"strong": recipe.bench.strong[name].model_dump(mode="json", exclude_unset=True)},
            [method],
            trains=False,
            replace=("strong",),
        )
        for name, methods in recipe.bench.strong_rows.items()
        for method in dict.fromkeys(methods)
    ]


def _kind_cells(recipe: Recipe) -> list[Cell]:
    return [
        make_cell(recipe, "kind", kind, {"feedback": {"kind": kind}}, [COLLABORATE, WEAK_ALIGNED])
        for kind in dict.fromkeys(recipe.bench.kinds)
        if kind != recipe.feedback.kind
    ]


def alignments(recipe: Recipe) -> dict[str, AlignConfig]:
    """The methods of alignment that a bench compares, by name, the recipe's own first.

    Raises:
        InputError: one has the name of the recipe's own.
    """
    if OWN in recipe.bench.align:
        raise InputError(f"bench.align cannot name a method {OWN!r}; it stands for the recipe's own.")
    others = {name: recipe.align.changed_to(section) for name, section in recipe.bench.align.items()}
    return {OWN: recipe.align} | {name: config for name, config in others.items() if config != recipe.align}


def _align_cells(recipe: Recipe) -> list[Cell]:
    """Other methods of alignment on the recipe's own kind of feedback, or that which they need, with all rounds."""
    return [
        make_cell(recipe, "align", name, _aligned_by(config), [COLLABORATE, WEAK_ALIGNED])
        for name, config in alignments(recipe).items()
        if name != OWN
    ]


def _queries_cells(recipe: Recipe) -> list[Cell]:
    """Each method of alignment after one round of so many queries; the recipe's own number needs no cell."""
    cells = []
    for name, config in alignments(recipe).items():
        for count in sorted(set(recipe.bench.queries) - {recipe.feedback.queries}):
            changes = _aligned_by(config)
            changes["feedback"] |= {"queries": count}
            cells.append(make_cell(recipe, "queries", f"{name} {count}", changes, [COLLABORATE], rounds=1))
    return cells


def _aligned_by(config: AlignConfig) -> dict[str, dict[str, Any]]:
    """What another alignment changes in a recipe: its section, and the kind of feedback where it needs another one."""
    return {"align": config.model_dump(mode="json"), "feedback": {"kind": SOLO} if config.method == "grpo" else {}}


def _format_cells(recipe: Recipe) -> list[Cell]:
    return [
        make_cell(recipe, "format", name, {"format": name}, [COLLABORATE], rounds=1)
        for name in dict.fromkeys(recipe.bench.formats)
        if name != recipe.format
    ]


def _model_cells(recipe: Recipe) -> list[Cell]:
    config = recipe.bench
    if OWN in config.weak or OWN in config.strong:
        raise InputError(f"bench.weak and bench.strong cannot name a model {OWN!r}; it stands for the recipe's own.")
    weak: dict[str, ModelConfig | None] = {OWN: None, **config.weak}
    strong: dict[str, ModelConfig | None] = {OWN: None, **config.strong}
    cells = []
    for (weak_name, weak_config), (strong_name, strong_config) in itertools.product(weak.items(), strong.items()):
        if not config.cross_models and weak_config is not None and strong_config is not None:
            continue
        changes = {
            role: model.model_dump(mode="json", exclude_unset=True)
            for role, model in (("weak", weak_config), ("strong", strong_config))
            if model is not None
        }
        if weak_config is not None:  # `sft.from` stands in for the SFT of the recipe's own weak model alone
            changes["sft"] = {"from": None}
        if changes:
            value, methods = f"{weak_name} {strong_name}", [WEAK_ONLY, STRONG_ONLY, COLLABORATE]
            cells.append(make_cell(recipe, "models", value, changes, methods, rounds=1, replace=("weak", "strong")))
    return cells
