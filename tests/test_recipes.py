"""Every recipe of the folder: it parses, its task reads files of its names, and the paper's numbers are the paper's."""

import re
from pathlib import Path

import pytest

from cowest.corpus import write_corpus
from cowest.pipeline import Pipeline
from cowest.planning import make_bench_plan, make_plan
from cowest.recipe import Recipe, load_recipe
from cowest.tasks import load_task
from tests.tasks.invented import ROWS, lay_out

FOLDER = Path(__file__).resolve().parents[1] / "recipes"
ALL = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.yaml"))
PAPER = {
    # strong model, queries, rows of the test
    "ifqa": ("openai/gpt-4-0613", 2000, None),
    "medmcqa": ("openai/gpt-4-0613", 5000, None),
    "prosocial_dialog": ("openai/gpt-3.5-turbo-0613", 5000, 2000),
}


FEW_ROWS = ("sft.held_back=1",)
"""What the paper's recipes need where a split has two or three invented rows."""
CORPUS_FIELDS = {"ifqa": ["context"], "medmcqa": ["exp"], "prosocial_dialog": ["context", "rots"]}


def recipe_of(name: str) -> Recipe:
    return load_recipe(FOLDER / name)


PAID = [name for name in ALL if recipe_of(name).task.name in ROWS and recipe_of(name).strong.provider != "local"]


@pytest.mark.parametrize("name", ALL)
def test_parses_and_has_a_run_folder_of_its_own(name: str) -> None:
    assert recipe_of(name).run == "runs/" + name.removesuffix(".yaml")


@pytest.mark.parametrize("name", [name for name in ALL if recipe_of(name).task.name in ROWS])
def test_the_task_reads_files_of_the_recipes_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recipe_of(name)
    task = load_task(recipe.task.name, **{**recipe.task.options, "overlap": "keep"})
    named = {split: location for split, location in task.locations.items() if location is not None}
    assert {"train", recipe.evaluate.split} <= set(named)
    for split, location in named.items():
        assert location.startswith(f"data/{task.name}/")
        lay_out(task.name, Path(location))
        found = task.validate(task.split(split))
        assert found.num_gold_full == found.num_examples == len(ROWS[task.name])


@pytest.mark.parametrize("name", PAID)
def test_is_planned(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(FOLDER / name, [*FEW_ROWS, "task.overlap=keep"] if "paper" in name else ["task.overlap=keep"])
    for location in (recipe.task.train, recipe.task.validation, recipe.task.test):
        if location is not None:
            lay_out(recipe.task.name, Path(location))
    plan = make_plan(Pipeline(recipe))
    rows = len(ROWS[recipe.task.name])
    assert (plan.num_queries, plan.num_evaluated) == (rows, rows)
    strong = plan.high.stages["feedback, round 1"]["strong"]
    assert strong.calls == rows * (1 + recipe.feedback.samples)
    assert strong.cost_usd is not None
    assert strong.cost_usd > 0


@pytest.mark.parametrize("name", ROWS)
def test_every_data_set_has_a_recipe(name: str) -> None:
    assert recipe_of(f"{name}.yaml").task.name == name


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_settings(name: str) -> None:
    recipe = recipe_of(f"paper/{name}.yaml")
    strong, queries, sample = PAPER[name]
    assert recipe.task.name == name
    assert recipe.format == "chain_of_thought"
    assert recipe.weak.model == "local/meta-llama/Meta-Llama-3-8B-Instruct"
    assert (recipe.strong.model, recipe.judge, recipe.feedback.queries) == (strong, "strong", queries)
    assert (recipe.feedback.kind, recipe.feedback.samples, recipe.rounds) == ("collaborative", 5, 1)
    weak = recipe.weak.sampling
    assert (weak.temperature, weak.top_p, weak.max_tokens) == (1.0, 0.9, 1028)
    assert (recipe.strong.sampling.temperature, recipe.strong.sampling.max_tokens) == (1.0, None)
    assert (recipe.lora.r, recipe.lora.alpha) == (16, 16)
    assert (recipe.sft.epochs, recipe.sft.learning_rate) == (1, 1.4e-5)
    assert (recipe.sft.batch_size, recipe.sft.gradient_accumulation) == (1, 8)
    assert (recipe.align.epochs, recipe.align.learning_rate, recipe.align.optimizer) == (1, 1.41e-5, "rmsprop")
    assert (recipe.align.batch_size, recipe.align.gradient_accumulation) == (1, 16)
    assert (recipe.evaluate.split, recipe.evaluate.sample) == ("test", sample)


def test_the_papers_medical_model_stands_in_for_sft() -> None:
    assert recipe_of("paper/medmcqa.yaml").sft.from_ == "local/ProbeMedicalYonseiMAILab/medllama3-v20"
    assert all(recipe_of(name).sft.from_ is None for name in ALL if name != "paper/medmcqa.yaml")


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_recipes_give_every_row_of_table_1_and_the_models_of_figure_5(name: str) -> None:
    recipe = recipe_of(f"paper/{name}.yaml")
    bench, own = recipe.bench, recipe.strong.model
    assert bench.methods is not None
    assert {"weak_only", "strong_only", "self_refine", "skr", "flare", "super_icl", "collaborate"} == {*bench.methods}
    assert set(bench.kinds) >= {"rlaif", "rlwf"}
    assert (recipe.strong.gives_logprobs, recipe.weak.gives_logprobs) == (True, True)
    assert recipe.sft.held_back == recipe.evaluate.settings.super_icl.demonstrations
    strong = {own, *(model.model for model in bench.strong.values())}
    assert strong == {
        *("openai/gpt-4-0613", "openai/gpt-3.5-turbo-0613"),
        *("openai/meta-llama/Meta-Llama-3-70B-Instruct", "openai/meta-llama/Llama-2-70b-chat-hf"),
    }
    assert [model.model.rpartition("/")[2] for model in bench.weak.values()] == [
        *("Llama-2-7b-chat-hf", "Phi-3-mini-4k-instruct", "TinyLlama-1.1B-Chat-v1.0")
    ]
    assert not bench.cross_models
    text = (FOLDER / f"paper/{name}.yaml").read_text()
    assert re.search(rf"#   cowest corpus \S+ --text [a-z ]+ --to {recipe.retrieval.corpus}\n", text)


def test_the_ethics_rows_have_gpt_4_as_table_1_does() -> None:
    bench = recipe_of("paper/prosocial_dialog.yaml").bench
    assert bench.strong_rows == {"gpt-4": ("strong_only", "self_refine", "skr", "flare")}
    assert bench.strong["gpt-4"].model == "openai/gpt-4-0613"
    assert bench.strong["gpt-4"].gives_logprobs


@pytest.mark.parametrize("name", PAPER)
def test_plan_names_no_row_of_the_papers_that_will_fail_but_those_that_cannot_exist(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(FOLDER / f"paper/{name}.yaml", [*FEW_ROWS, "task.overlap=keep", "feedback.samples=2"])
    for location in (recipe.task.train, recipe.task.validation, recipe.task.test):
        if location is not None:
            lay_out(name, Path(location))
    assert recipe.task.train is not None
    assert recipe.retrieval.corpus is not None
    write_corpus([recipe.task.train], CORPUS_FIELDS[name], recipe.retrieval.corpus)
    reasons = {cell.name: cell.reason or "" for cell in make_bench_plan(recipe).cells if cell.reason}
    assert list(reasons) == (["format-domain_knowledge"] if name == "ifqa" else [])
    assert all("SFT cannot teach the format domain_knowledge" in reason for reason in reasons.values())
