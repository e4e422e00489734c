"""The estimate of a bench: what cells share, and that it does nothing; tests/bench compares it with a real one."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cowest.cli import main as cli
from cowest.errors import InputError
from cowest.pipeline import Pipeline, models
from cowest.planning import BenchPlan, make_bench_plan, make_plan, print_bench_plan
from cowest.planning.cells import CellToPlan, Rehearsal
from cowest.planning.data import RunExamples
from cowest.planning.paid_replies import PaidReplies
from cowest.recipe import Recipe, make_recipe
from cowest.stages.queries import draw
from tests.bench.recipes import recipe_for, write_rows
from tests.recipes import priced, recipe_of
from tests.worlds import tree


@pytest.fixture(scope="module")
def data_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_rows(tmp_path_factory.mktemp("rows"))


def recipe_with(folder: Path, data_of: dict[str, Path], **changes: Any) -> Recipe:
    """The lab's, with a strong model that has a price."""
    bench = {"methods": [], "kinds": ["individual"], "formats": [], "probe": 0, "equal_pairs": False} | changes.pop(
        "bench", {}
    )
    return recipe_for(folder, data_of, **{"strong": priced(), "judge": "strong", "bench": bench} | changes)


def calls(plan: BenchPlan, name: str, case: str = "high") -> dict[str, int]:
    (cell,) = [cell for cell in plan.cells if cell.name == name]
    return {role: spend.calls for role, spend in getattr(cell, case).roles.items() if spend.calls}


def test_the_high_case_shares_what_is_equal(tmp_path: Path, data_of: dict[str, Path]) -> None:
    plan = make_bench_plan(recipe_with(tmp_path / "run", data_of, bench={"probe": 3}))
    # 8 queries with 4 drafts, and 3 examples probed twice, with one z and, of the verdicts, one on it.
    assert calls(plan, "run") == {"weak": 8 * 4 + 3 * 4 * 2, "strong": 8 * 5 + 3 * 9, "judge": 8 * 5 + 3 * 9}
    # Of 6 examples 3 are probed: their z is known, and their first drafts with what the strong model made of them.
    assert calls(plan, "method-strong_only") == {"strong": 3 + 6}
    assert calls(plan, "method-weak_only") == {"weak": 3 + 6}
    assert calls(plan, "method-collaborate") == {"weak": 3, "strong": 3 + 3}
    assert calls(plan, "method-weak_aligned") == {}
    # The same drafts of the same queries, judged as they are; another aligned model, alone and in the pair.
    assert calls(plan, "kind-individual") == {"judge": 8 * 4, "weak": 6, "strong": 6}
    assert plan.high.roles["strong"].calls == sum(calls(plan, cell.name).get("strong", 0) for cell in plan.cells)


def test_another_method_of_alignment_pays_for_its_evaluation_only(tmp_path: Path, data_of: dict[str, Path]) -> None:
    plan = make_bench_plan(recipe_with(tmp_path / "run", data_of, bench={"align": ["kto"]}))
    assert calls(plan, "align-kto") == {"weak": 6, "strong": 6}
    (cell,) = [cell for cell in plan.cells if cell.name == "align-kto"]
    assert cell.num_trainings == 1


def test_one_round_of_fewer_queries_is_planned_for_each_method(tmp_path: Path, data_of: dict[str, Path]) -> None:
    bench = {"align": ["grpo"], "queries": [16, 8, 3], "equal_pairs": True}
    align = {"epochs": 1, "batch_size": 8, "gradient_accumulation": 1}
    plan = make_bench_plan(recipe_with(tmp_path / "run", data_of, bench=bench, align=align))
    names = [cell.name for cell in plan.cells]
    # The recipe has 8 queries itself. Feedback of kind solo, which grpo needs, is no kind to be compared.
    assert [name for name in names if name.startswith(("align", "queries", "equal"))] == [
        *("align-grpo", "queries-own-3", "queries-own-16", "queries-grpo-3", "queries-grpo-16"),
        next(name for name in names if name.startswith("equal")),
    ]
    assert "solo" not in names[-1]
    drawn = draw(range(24), 3, 0), draw(range(24), 8, 0), draw(range(24), 16, 0)
    new = len(set(drawn[2]) - {*drawn[1], *drawn[0]})
    # z, four drafts refined, and the evaluation of 6 examples.
    assert calls(plan, "queries-own-16")["strong"] == new * 5 + 6
    assert calls(plan, "queries-own-3")["strong"] == len(set(drawn[0]) - set(drawn[1])) * 5 + 6


def test_the_sweep_over_pairs_is_planned_before_its_numbers_are_known(tmp_path: Path, data_of: dict[str, Path]) -> None:
    plan = make_bench_plan(recipe_with(tmp_path / "run", data_of))
    assert [cell.name for cell in plan.cells[-2:]] == ["pairs-quarter", "pairs-half"]
    assert calls(plan, "pairs-half") == {"weak": 6, "strong": 6}
    named = make_bench_plan(recipe_with(tmp_path / "run", data_of, bench={"pairs": [2, 1000]}))
    assert [cell.name for cell in named.cells[-2:]] == ["pairs-2", "pairs-1000"]
    assert calls(named, "pairs-1000", "low") == {}
    none = make_bench_plan(recipe_with(tmp_path / "run", data_of, bench={"pairs": []}))
    assert [cell.name for cell in none.cells if cell.name.startswith("pairs")] == []


def test_one_base_model_with_two_chat_templates_is_two(tmp_path: Path, data_of: dict[str, Path]) -> None:
    main, other = (
        CellToPlan(name, recipe_with(tmp_path / "run", data_of, weak=weak), trains=True)
        for name, weak in (
            ("main", {"model": "local/cowest.lab:assets/weak"}),
            ("other", {"model": "local/cowest.lab:assets/weak", "chat_template": "chatml"}),
        )
    )
    rehearsal = Rehearsal(main, RunExamples([], [], []), {}, PaidReplies(None, 0))
    names = [rehearsal.weak_names(cell)["base"] for cell in (main, other)]
    assert names[0] != names[1]


def test_money_time_and_trainings_add_up(tmp_path: Path, data_of: dict[str, Path]) -> None:
    plan = make_bench_plan(recipe_with(tmp_path / "run", data_of))
    assert plan.high.cost_usd == pytest.approx(sum(spend.cost_usd or 0 for spend in plan.high.roles.values()))
    assert plan.low.cost_usd is not None
    assert 0 < plan.low.cost_usd < (plan.high.cost_usd or 0)
    for cell in plan.cells:
        for role, low in cell.low.roles.items():
            assert low.calls <= cell.high.roles[role].calls
    # The run's SFT and alignment, one of individual feedback, and two of the sweep over pairs.
    assert sum(cell.num_trainings for cell in plan.cells) == 2 + 1 + 2


def test_further_seeds_train_again_and_share_what_the_strong_model_says(
    tmp_path: Path, data_of: dict[str, Path]
) -> None:
    bench = {"methods": ["oracle"], "seeds": 3, "equal_pairs": True, "pairs": [2]}
    every_row = {"queries": 24, "samples": 2}
    plan = make_bench_plan(recipe_with(tmp_path / "run", data_of, bench=bench, feedback=every_row))
    of_one = ["method-weak_only", "method-collaborate", "method-weak_aligned", "kind-individual", "pairs-2"]
    for seed in ("seed-1", "seed-2"):
        names = [cell.name for cell in plan.cells if cell.name.startswith(seed)]
        assert names[:-1] == [seed, *(f"{seed}/{name}" for name in of_one)]
        assert names[-1].startswith(f"{seed}/equal-")
        assert calls(plan, seed)["weak"] == calls(plan, "run")["weak"]  # another model drafts
        # The same queries, whose answers by the strong model alone are known.
        assert calls(plan, seed)["strong"] == calls(plan, "run")["strong"] - 24
    assert plan.num_seeds == 3
    assert sum(cell.num_trainings for cell in plan.cells) == 3 * (2 + 1 + 1 + 1)
    printed = io.StringIO()
    print_bench_plan(plan, printed)
    said = " ".join(printed.getvalue().split())
    assert "6 examples in 6 groups are too few to show any difference with a power of 80%" in said
    assert "3 seeds" in said


def test_it_trains_opens_and_writes_nothing(
    tmp_path: Path, data_of: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "open_model", lambda *_, **__: pytest.fail("it opened a model"))
    for stage in ("sft", "feedback", "probe", "align", "train", "evaluate"):
        monkeypatch.setattr(Pipeline, stage, lambda *_, **__: pytest.fail("it went to work"))
    recipe = recipe_with(tmp_path / "run", data_of, bench={"kinds": ["rlwf"]})
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(recipe.model_dump(mode="json", by_alias=True)))
    before = tree(tmp_path)
    assert cli.main(["plan", str(file), "--bench"]) == 0
    printed = capsys.readouterr().out
    assert "Nothing was spent." in printed
    assert "| kind-rlwf " in printed
    assert cli.main(["plan", str(file), "--bench", "--json"]) == 0
    assert {cell["name"] for cell in json.loads(capsys.readouterr().out)["cells"]} >= {"run", "kind-rlwf"}
    assert tree(tmp_path) == before


def test_what_stands_in_the_way_is_said(
    tmp_path: Path, data_of: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    bench = {"strong": {"other": {"model": "openai/gpt-4.1"}}, "methods": ["skr"]}
    printed = io.StringIO()
    plan = make_bench_plan(recipe_with(tmp_path / "run", data_of, bench=bench))
    print_bench_plan(plan, printed)
    assert list(plan.endpoint_problems) == ["bench.strong.other"]
    assert "bench.strong.other: 'openai/gpt-4.1' needs a key" in printed.getvalue()
    assert "method-skr will fail" in printed.getvalue()
    with pytest.raises(InputError, match="bench trains the weak model"):
        make_bench_plan(make_recipe(recipe_of(tmp_path / "other")))


def test_a_format_that_no_row_can_teach_is_named(tmp_path: Path) -> None:
    rows = [json.dumps({"q": f"What is {number}?", "a": str(number)}) for number in range(30)]
    for split, lines in (("train", rows[:24]), ("test", rows[24:])):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    files = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "test")}
    changes = {"task": {"name": "jsonl", "question": "q", "answer": "a", "kind": "open"} | files, "prompts": None}
    recipe = recipe_with(tmp_path / "run", {}, bench={"formats": ["domain_knowledge", "direct_answer"]}, **changes)
    reasons = {cell.name: cell.reason for cell in make_bench_plan(recipe).cells if cell.reason}
    assert list(reasons) == ["format-domain_knowledge"]
    assert "none of the 24 training rows" in (reasons["format-domain_knowledge"] or "")
    given = recipe_with(
        tmp_path / "run", {}, sft={"from": "local/a/b"}, bench={"formats": ["domain_knowledge"]}, **changes
    )
    assert [cell.name for cell in make_bench_plan(given).cells if cell.reason] == []


def test_a_plan_needs_no_key_and_says_that_the_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def problems(**strong: Any) -> dict[str, str]:
        plan = make_plan(Pipeline(make_recipe(recipe_of(tmp_path / "run", strong=strong, judge="strong"))))
        assert plan.high.roles["strong"].calls > 0
        return plan.endpoint_problems

    (missing,) = problems(model="openai/gpt-4.1").values()  # the judge is the same model and is not named again
    assert "OPENAI_API_KEY is not set" in missing
    (address,) = problems(model="openai/x", base_url="localhost:8000/v1").values()
    assert "base_url" in address
    assert "\n" not in address
    assert problems(model="openai/x", base_url="http://127.0.0.1:9/v1") == {}
    assert problems(model="scripted/tests.worlds:strong_reply") == {}
