"""The cells of a bench: which models, methods and SFT each one has."""

from pathlib import Path
from typing import Any

import pytest

from cowest.bench.cell import Cell
from cowest.bench.cells import make_cells, make_equal_cells, make_pairs_cells, sft_key
from cowest.bench.seeds import cells_of_seed, recipes_of_seeds
from cowest.errors import InputError
from cowest.method_names import STRONG_ONLY
from tests.bench.recipes import recipe_for

LAB_WEAK = "local/cowest.lab:assets/weak"
OTHERS = {
    "weak": {"small": {"model": "local/some-org/small-1b"}, "smaller": {"model": "local/some-org/smaller-1b"}},
    "strong": {"other": {"model": "scripted/tests.bench.scripted:other_reply"}},
}


def cells_of(tmp_path: Path, purpose: str, bench: dict[str, Any], **changes: Any) -> dict[str, Cell]:
    data_of = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    recipe = recipe_for(tmp_path / "run", data_of, bench={"methods": []} | bench, **changes)
    return {cell.value: cell for cell in make_cells(recipe) if cell.purpose == purpose}


def test_a_further_weak_model_gets_its_own_sft_where_another_model_stands_in_for_the_recipes_own(
    tmp_path: Path,
) -> None:
    given = {"from": "local/some-org/medical-8b", "epochs": 2, "held_back": 3}
    cells = cells_of(tmp_path, "models", OTHERS, sft=given)
    assert cells["own other"].recipe.sft.from_ == "local/some-org/medical-8b"
    for name in ("small own", "small other", "smaller own", "smaller other"):
        sft = cells[name].recipe.sft
        assert (sft.from_, sft.epochs, sft.held_back) == (None, 2, 3)
    assert sft_key(cells["small own"].recipe) == sft_key(cells["small other"].recipe)
    assert len({sft_key(cell.recipe) for cell in cells.values()}) == 3


def test_kinds_that_cannot_end_drafts_with_a_pair_make_all_of_them(tmp_path: Path) -> None:
    feedback = {"queries": 6, "samples": 3, "drafts": "until_pair"}
    cells = cells_of(tmp_path, "kind", {"kinds": ["individual", "rlaif", "rlwf"]}, feedback=feedback)
    drafts = {name: cell.recipe.feedback.drafts for name, cell in cells.items()}
    assert drafts == {"individual": "until_pair", "rlaif": "until_pair", "rlwf": "all"}


def test_one_model_at_a_time_leaves_out_pairs_that_differ_in_both(tmp_path: Path) -> None:
    crossed = cells_of(tmp_path, "models", OTHERS)
    assert list(crossed) == ["own other", "small own", "small other", "smaller own", "smaller other"]
    one_at_a_time = cells_of(tmp_path, "models", OTHERS | {"cross_models": False})
    assert list(one_at_a_time) == ["own other", "small own", "smaller own"]


def test_methods_with_a_further_strong_model_train_nothing(tmp_path: Path) -> None:
    cells = cells_of(tmp_path, "strong", OTHERS | {"strong_rows": {"other": ["skr", STRONG_ONLY]}})
    assert list(cells) == ["skr other", "strong_only other"]
    for method, cell in zip(("skr", STRONG_ONLY), cells.values(), strict=True):
        assert not cell.trains
        assert cell.recipe.evaluate.methods == (method,)
        assert (cell.recipe.weak.model, cell.recipe.strong.model) == (LAB_WEAK, OTHERS["strong"]["other"]["model"])


def test_rows_of_a_strong_model_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bench\.strong_rows.*names gpt, but the models of bench.strong are: other"):
        cells_of(tmp_path, "strong", OTHERS | {"strong_rows": {"gpt": ["skr"]}})


def test_kinds_of_feedback_get_as_many_pairs_as_the_one_with_the_fewest(tmp_path: Path) -> None:
    data_of = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    recipe = recipe_for(tmp_path / "run", data_of, bench={}, rounds=2)
    found = make_equal_cells(recipe, {"collaborative": 529, "individual": 0, "rlaif": 242, "rlwf": 242 + 1})
    assert [cell.name for cell in found] == ["equal-collaborative-242", "equal-rlwf-242"]
    for cell in found:
        assert f"{cell.recipe.feedback.kind} {cell.recipe.feedback.max_pairs}" == cell.value
        assert cell.recipe.rounds == 1
    # The next call may find fewer, of a kind that failed before: other runs, whose feedback is not that of the first.
    (again, _) = make_equal_cells(recipe, {"collaborative": 529, "rlaif": 242, "individual": 57})
    assert (again.name, Path(again.recipe.run).name) == ("equal-collaborative-57", "equal-collaborative-57")
    assert make_equal_cells(recipe, {"collaborative": 529}) == []
    without = recipe_for(tmp_path / "run", data_of, bench={"equal_pairs": False})
    assert make_equal_cells(without, {"collaborative": 529, "rlaif": 242}) == []


def test_a_further_seed_repeats_what_trains_and_keeps_the_strong_models(tmp_path: Path) -> None:
    data_of = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    strong = {"model": LAB_WEAK, "options": {"dtype": "float64"}}
    bench = {"methods": ["skr", "oracle", "self_refine"], "kinds": ["individual"], "formats": [], "seeds": 3}
    bench |= {"strong": {"other": strong, "own_seed": {"model": LAB_WEAK, "options": {"seed": 9}}}}
    recipe = recipe_for(tmp_path / "run", data_of, strong=strong, bench=bench, seed=7)
    first, second = recipes_of_seeds(recipe, (2, 4))
    assert [(each.seed, Path(each.run).name) for each in (first, second)] == [(8, "seed-8"), (9, "seed-9")]
    assert first.ledger == str(tmp_path / "run/ledger.sqlite")
    assert (first.strong.options["seed"], first.weak.options.get("seed")) == (7, None)
    assert [model.options["seed"] for model in first.bench.strong.values()] == [7, 9]
    assert first.bench.pairs == (2, 4)
    assert [cell.name for cell in cells_of_seed(first)] == [
        *("method-weak_only", "method-collaborate", "method-weak_aligned", "method-self_refine", "kind-individual"),
        *("models-own-other", "models-own-own_seed"),
    ]
    assert sft_key(first) != sft_key(recipe)
    assert recipes_of_seeds(recipe_for(tmp_path / "run", data_of)) == []


def test_methods_of_alignment_get_cells_that_differ_in_nothing_else(tmp_path: Path) -> None:
    align = {"epochs": 1, "batch_size": 1, "gradient_accumulation": 8, "learning_rate": 5e-3, "loss": "ipo"}
    cells = cells_of(tmp_path, "align", {"align": ["dpo", "kto", "rft"]}, align=align, rounds=2)
    assert list(cells) == ["kto", "rft"]  # dpo is the recipe's own
    assert [cell.name for cell in cells.values()] == ["align-kto", "align-rft"]
    kto, rft = (cell.recipe for cell in cells.values())
    assert (kto.align.batch_size, kto.align.loss, rft.align.batch_size) == (4, "sigmoid", 1)
    for recipe in (kto, rft):
        assert (recipe.align.learning_rate, recipe.align.epochs, recipe.rounds) == (5e-3, 1, 2)
        assert recipe.evaluate.methods == ("collaborate", "weak_aligned")
        assert recipe.feedback.kind == "collaborative"
    named = {"all": {"pairs": "all"}, "plain": {"loss": "sigmoid"}, "slow": {"method": "kto", "learning_rate": 1e-5}}
    cells = cells_of(tmp_path, "align", {"align": named}, align=align)
    assert [cells[name].recipe.align.summary() for name in named] == ["dpo (pairs all, loss ipo)", "dpo", "kto"]
    assert cells["slow"].recipe.align.learning_rate == 1e-5
    with pytest.raises(InputError, match=r"(?s)bench\.align\.odd.*method rft does not take this key"):
        cells_of(tmp_path, "align", {"align": {"odd": {"method": "rft", "loss": "ipo"}}})


def test_one_round_of_other_numbers_of_queries(tmp_path: Path) -> None:
    bench = {"align": ["rft", "grpo"], "queries": [4, 8, 16]}
    cells = cells_of(tmp_path, "queries", bench, rounds=3)
    assert list(cells) == ["own 4", "own 16", "rft 4", "rft 16", "grpo 4", "grpo 16"]  # 8 is the recipe's own
    for value, cell in cells.items():
        name, count = value.split(" ")
        recipe = cell.recipe
        assert (recipe.rounds, recipe.feedback.queries) == (1, int(count))
        assert recipe.align.method == ("dpo" if name == "own" else name)
        assert recipe.feedback.kind == ("solo" if name == "grpo" else "collaborative")
    with pytest.raises(InputError, match="cannot name a method 'own'"):
        cells_of(tmp_path, "align", {"align": {"own": {"pairs": "all"}}})


def test_a_seed_repeats_methods_of_alignment_as_they_were_given(tmp_path: Path) -> None:
    bench = {"methods": [], "kinds": [], "formats": [], "align": {"all": {"pairs": "all"}}, "seeds": 2}
    data_of = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    (second,) = recipes_of_seeds(recipe_for(tmp_path / "run", data_of, bench=bench))
    (cell,) = [cell for cell in cells_of_seed(second) if cell.purpose == "align"]
    assert (cell.recipe.align.pairs, cell.recipe.align.learning_rate) == ("all", 5e-3)


def test_where_alignment_learns_from_single_drafts_no_cell_has_a_number_of_pairs(tmp_path: Path) -> None:
    data_of = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    training = {"method": "kto", "batch_size": 8}
    recipe = recipe_for(tmp_path / "run", data_of, align=training, bench={"kinds": ["individual"]})
    assert make_pairs_cells(recipe, 100) == []
    assert make_equal_cells(recipe, {"collaborative": 529, "individual": 242}) == []
