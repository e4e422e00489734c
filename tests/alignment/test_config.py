"""The section `align`: what each method takes, what is refused, and what a folder's identity depends on."""

from typing import Any

import pytest
from pydantic import ValidationError

from cowest.alignment import AlignConfig
from cowest.errors import InputError
from cowest.recipe import make_recipe
from tests.recipes import recipe_of


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"method": "rft", "loss": "ipo"}, r"method rft does not take this key.* takes replay\. .*align.method: dpo"),
        ({"method": "rft", "beta": 0.2}, r"method rft does not take this key.*align.method: dpo or kto"),
        ({"method": "kto", "pairs": "all"}, r"takes beta, desirable_weight, undesirable_weight.*align.method: dpo"),
        ({"desirable_weight": 2}, r"method dpo does not take this key.*align.method: kto"),
        ({"loss": "robust"}, r"loss robust needs align.label_smoothing.*0\.1"),
        (
            {"loss": "ipo", "label_smoothing": 0.1},
            r"label_smoothing is for align.loss robust and exo_pair, not for ipo",
        ),
        ({"weight": "offset", "loss": "ipo"}, r"offset is defined for align.loss sigmoid, not for ipo"),
        ({"offset_scale": 2}, r"offset_scale is for align.weight: offset"),
        ({"method": "kto", "batch_size": 1}, r"kto needs align.batch_size of at least 2"),
        ({"method": "ppo"}, r"'dpo', 'kto', 'rft' or 'grpo'"),
        ({"method": "dpo", "generations": 4}, r"method dpo does not take this key.*align.method: grpo"),
        ({"method": "grpo", "pairs": "all"}, r"method grpo does not take this key.*takes beta, generations"),
        ({"method": "grpo", "generations": 5}, r"has .* = 32 drafts, which is no multiple of align.generations, 5"),
        ({"method": "grpo", "replay": True}, r"method grpo does not take this key.*align.method: dpo or kto or rft"),
        ({"loss": "sft"}, r"'sigmoid', 'hinge'"),
    ],
)
def test_keys_that_do_not_fit_are_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AlignConfig.model_validate(section)


def test_kto_gets_a_batch_that_it_can_work_with() -> None:
    config = AlignConfig(method="kto")
    assert (config.batch_size, config.gradient_accumulation) == (4, 4)
    assert AlignConfig.model_validate(config.model_dump()) == config
    given = AlignConfig(method="kto", batch_size=2)
    assert (given.batch_size, given.gradient_accumulation) == (2, 16)


def test_grpo_gets_a_batch_of_whole_groups_and_a_weight_of_its_own() -> None:
    config = AlignConfig(method="grpo")
    assert (config.batch_size, config.gradient_accumulation, config.beta, config.queries_a_step) == (8, 4, 0.04, 4)
    assert AlignConfig.model_validate(config.model_dump()) == config
    assert AlignConfig(beta=0.5, learning_rate=1e-3).changed_to({"method": "grpo"}).model_dump() == (
        config.model_dump() | {"learning_rate": 1e-3}
    )
    assert config.changed_to({"method": "dpo"}).beta == 0.1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"align__method": "grpo"}, r"grpo and feedback.kind collaborative do not go together.*solo"),
        ({"feedback__kind": "solo"}, r"dpo and feedback.kind solo do not go together"),
        (
            {"align__method": "grpo", "feedback": {"kind": "solo", "spend": 1.0}, "weak__model": "local/x"},
            r"feedback.spend limits.*strong.budget_usd",
        ),
        ({"align__method": "grpo", "feedback__kind": "solo"}, r"weak.model is scripted/.*Give local/FOLDER"),
    ],
)
def test_grpo_goes_with_feedback_of_z_alone(tmp_path: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        make_recipe(recipe_of(tmp_path, **changes))


def test_a_finished_folder_does_not_depend_on_keys_that_do_nothing() -> None:
    """So folders from before these keys existed are still those of their recipe."""
    assert AlignConfig().decisive().keys() == {
        *("epochs", "learning_rate", "batch_size", "gradient_accumulation", "optimizer", "lr_schedule"),
        *("warmup_ratio", "weight_decay", "max_grad_norm", "max_length", "gradient_checkpointing", "bf16"),
        *("method", "beta"),
    }
    assert AlignConfig(pairs="all", weight="gain").decisive()["weight"] == "gain"
    assert "beta" not in AlignConfig(method="rft").decisive()


def test_another_method_keeps_what_all_methods_take() -> None:
    own = AlignConfig(learning_rate=1e-3, beta=0.5, loss="ipo", epochs=2)
    kto = own.changed_to({"method": "kto"})
    assert (kto.method, kto.learning_rate, kto.epochs, kto.beta, kto.batch_size) == ("kto", 1e-3, 2, 0.1, 4)
    other = own.changed_to({"pairs": "all"})
    assert (other.loss, other.pairs, other.beta) == ("ipo", "all", 0.5)
    assert kto.changed_to({"method": "dpo"}).loss == "sigmoid"


@pytest.mark.parametrize(
    ("own", "section", "became"),
    [
        ({"method": "kto"}, {"desirable_weight": 2.0}, {"method": "kto", "desirable_weight": 2.0}),
        (
            {"loss": "robust", "label_smoothing": 0.1},
            {"loss": "exo_pair"},
            {"loss": "exo_pair", "label_smoothing": 0.1},
        ),
        ({"loss": "robust", "label_smoothing": 0.1}, {"loss": "ipo"}, {"loss": "ipo", "label_smoothing": None}),
        ({"weight": "offset", "offset_scale": 2.0}, {"weight": "gain"}, {"weight": "gain", "offset_scale": 1.0}),
        ({"replay": True, "beta": 0.3}, {"method": "kto"}, {"replay": True, "beta": 0.1}),
        ({"replay": True}, {"method": "rft", "replay": False}, {"replay": False}),
        ({"replay": True}, {"method": "grpo", "replay": False}, {"replay": False}),
    ],
)
def test_a_section_of_the_bench_is_judged_with_the_keys_of_the_recipe(
    tmp_path: Any, own: dict[str, Any], section: dict[str, Any], became: dict[str, Any]
) -> None:
    recipe = make_recipe(recipe_of(tmp_path, align=own, bench={"align": {"x": section}}))
    changed = recipe.align.changed_to(recipe.bench.align["x"])
    assert became.items() <= changed.model_dump().items()


@pytest.mark.parametrize(
    ("own", "section", "said"),
    [
        ({"method": "kto"}, {"weight": "gain"}, r"bench.align.x is not valid with .* kto does not take this key"),
        ({}, {"loss": "robust"}, r"bench.align.x is not valid with .*needs align.label_smoothing"),
        ({}, {"bata": 1}, r"bench.align.x .*bata: there is no such key"),
        ({"replay": True}, {"method": "grpo"}, r"bench.align.x: .*align.replay.* grpo cannot.*replay: false"),
    ],
)
def test_a_section_of_the_bench_that_does_not_fit_is_refused_with_the_recipe(
    tmp_path: Any, own: dict[str, Any], section: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        make_recipe(recipe_of(tmp_path, align=own, bench={"align": {"x": section}}))


@pytest.mark.parametrize("align", [{"method": "kto"}, {"method": "rft"}, {"pairs": "all"}, {"weight": "gain"}])
def test_a_recipe_whose_feedback_has_no_gains_is_refused_before_it_runs(tmp_path: Any, align: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"learns from gains.*rlaif"):
        make_recipe(recipe_of(tmp_path, align=align, feedback={"kind": "rlaif"}))
    assert make_recipe(recipe_of(tmp_path, align=align)).align.uses_gains


def test_a_limit_of_pairs_is_for_matched_pairs(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"feedback.max_pairs limits the matched pairs.*kto"):
        make_recipe(recipe_of(tmp_path, align={"method": "kto"}, feedback={"max_pairs": 5}))
