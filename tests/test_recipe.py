"""Recipes: the paper's defaults, overrides, and errors that say where and what."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.errors import InputError
from cowest.models.config import ModelConfig
from cowest.recipe import ProgramJudge, load_recipe, make_recipe
from cowest.runs import RunFolder

MINIMAL: dict[str, Any] = {
    "run": "runs/x",
    "task": {"name": "jsonl", "train": "a.jsonl", "question": "q"},
    "weak": {"model": "local/folder"},
    "strong": {"model": "openai/gpt-4.1"},
}


def with_key(path: str, value: Any) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(yaml.safe_dump(MINIMAL))
    section = data
    *parents, last = path.split(".")
    for key in parents:
        section = section.setdefault(key, {})
    section[last] = value
    return data


def test_the_papers_settings_are_the_defaults() -> None:
    recipe = make_recipe(MINIMAL)
    assert recipe.weak.sampling.model_dump() == {"temperature": 1.0, "top_p": 0.9, "max_tokens": 1028, "stop": ()}
    assert recipe.strong.sampling.model_dump() == {"temperature": 1.0, "top_p": None, "max_tokens": None, "stop": ()}
    assert (recipe.lora.r, recipe.lora.alpha) == (16, 16)
    assert (recipe.sft.epochs, recipe.sft.learning_rate) == (1, 1.4e-5)
    assert (recipe.sft.batch_size, recipe.sft.gradient_accumulation) == (1, 8)
    assert (recipe.align.epochs, recipe.align.learning_rate, recipe.align.optimizer) == (1, 1.41e-5, "rmsprop")
    assert (recipe.align.batch_size, recipe.align.gradient_accumulation, recipe.align.beta) == (1, 16, 0.1)
    assert (recipe.feedback.samples, recipe.feedback.kind, recipe.judge) == (5, "collaborative", "strong")
    assert recipe.format == "chain_of_thought"


def test_a_partial_sampling_keeps_the_papers_rest() -> None:
    recipe = make_recipe(with_key("weak.sampling", {"temperature": 0.7}))
    assert (recipe.weak.sampling.temperature, recipe.weak.sampling.top_p) == (0.7, 0.9)


def test_the_saved_recipe_is_the_same_recipe(tmp_path: Path) -> None:
    recipe = make_recipe(with_key("judge", {"name": "answer_match"}))
    saved = tmp_path / "recipe.yaml"
    saved.write_text(recipe.to_yaml())
    again = load_recipe(saved)
    assert again.model_copy(update={"cowest_version": None}) == recipe
    assert again.cowest_version


def test_kinds_of_judges() -> None:
    named = make_recipe(with_key("judge", {"name": "answer_match"})).judge
    assert isinstance(named, ProgramJudge)
    model = make_recipe(with_key("judge", {"model": "openai/judge", "base_url": "http://127.0.0.1:1/v1"})).judge
    assert isinstance(model, ModelConfig)
    assert model.sampling.temperature == 0.0


def test_overrides_are_yaml(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    recipe = load_recipe(
        path, ["feedback.samples=8", "align.learning_rate=2e-4", "strong.base_url=http://127.0.0.1:9/v1", "rounds=2"]
    )
    assert (recipe.feedback.samples, recipe.align.learning_rate, recipe.rounds) == (8, 2e-4, 2)
    assert recipe.strong.base_url == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("feedback.sample", 5, r"feedback\.sample: there is no such key\. Did you mean 'samples'\?"),
        ("sft.lr", 1, r"sft\.lr: there is no such key.*learning_rate"),
        ("sead", 1, r"sead: there is no such key\. Did you mean 'seed'\?"),
        ("feedback.samples", 0, r"feedback\.samples: got 0; .*greater than or equal to 1"),
        ("feedback.samples", "many", r"feedback\.samples: got 'many'"),
        ("weak.model", "folder", r"weak\.model: got 'folder'; needs PROVIDER/NAME"),
        ("weak.sampling.temprature", 1, r"weak\.sampling\.temprature: there is no such key.*'temperature'"),
        ("rounds", 0, r"rounds: got 0"),
        ("judge", "stronk", r"judge"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_path(path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_recipe(with_key(path, value))


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        make_recipe({"weak": {"model": "local/x"}, "sead": 3})
    assert all(word in str(caught.value) for word in ("run:", "task:", "strong:", "sead:"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no keys"), ("- a\n- b", "holds no keys"), ("a: [", "is not YAML"), ("a: \x00", "is not YAML")],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_recipe(path)


ALIASES = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ALIASES, "more than 5,000"),
        (MERGES, "more than 5,000"),
        ("weak: &w {model: *w}", "is not YAML|more than"),
        ("weak: &w [*w]", "is not YAML|more than"),
        ("".join(f"k{n}: 1\n" for n in range(20_000)), "more than 5,000"),
        ("sft: {" + ", ".join(f"k{n}: 1" for n in range(20_000)) + "}", "more than 5,000"),
        ("".join(f"k{n}: 1\n" for n in range(2_000)), r"k0: there is no such key.*and 19\d\d more"),
        ("run: " + "x" * 2_000_000, "characters"),
        ("[" * 100_000, "is not YAML"),
        ("seed: " + "9" * 5_000, "is not YAML"),
    ],
    ids=[
        "aliases",
        "merges",
        "itself",
        "itself in a list",
        "keys",
        "keys in a line",
        "unknown",
        "long",
        "deep",
        "digits",
    ],
)
def test_a_recipe_that_would_take_all_time_or_memory_is_refused_at_once(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    started = time.process_time()
    with pytest.raises(InputError, match=f"(?s){said}"):
        load_recipe(tmp_path / "r.yaml")
    if len(text) < 1000:
        (tmp_path / "r.yaml").write_text(yaml.safe_dump(MINIMAL))
        with pytest.raises(InputError):
            load_recipe(tmp_path / "r.yaml", [f"task={text}"])
    assert time.process_time() - started < 5


def test_a_runs_folder_stands_for_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(make_recipe(MINIMAL | {"seed": 7}).to_yaml())
    assert load_recipe(tmp_path).seed == 7
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(tmp_path.parent)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize("override", ["feedback.samples", "=3", "a..b=3", "run.x=3", "seed=[1"])
def test_a_wrong_override_is_refused(tmp_path: Path, override: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(InputError, match="override"):
        load_recipe(path, [override])


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.parent.joinpath("recipes").rglob("*.yaml")), ids=str)
def test_every_shipped_recipe_parses(path: Path) -> None:
    assert load_recipe(path).task.name


@pytest.mark.parametrize(
    "content", [b"run: 2020-99-99", b"run: " + b"[" * 3000, b"run: a\nrun: b", b"\x80", b"run: a\0b", b"run: [1"]
)
def test_what_is_not_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(InputError, match="is not YAML"):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize("value", ["!!bool maybe", '!!int ""', "!!timestamp x", "!!map [1]", "!!set [1]"])
def test_a_value_that_does_not_fit_its_tag_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "recipe.yaml").write_text(f"run: {value}\n")
    with pytest.raises(InputError, match=r"is not YAML.*does not fit its tag"):
        load_recipe(tmp_path)
    assert RunFolder(tmp_path).read_recipe() == {}
    (tmp_path / "recipe.yaml").write_text("run: a\n")
    with pytest.raises(InputError, match=r"override.*is not YAML"):
        load_recipe(tmp_path, [f"seed={value}"])


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("run", "", "run: got ''"),
        ("run", "a\0b", "run: got"),
        ("seed", -1, "seed: got -1"),
        ("seed", 2**40, "seed: got"),
        ("judge", "weak", "judge: got 'weak'; needs strong"),
        ("judge", None, "judge: got None; needs strong"),
        ("weak", 3, "weak: got 3; needs a section"),
        ("evaluate.methods", "weak_only", r"evaluate.methods: got 'weak_only'; needs a list, e.g. \[weak_only\]"),
        ("evaluate.split", "tset", "evaluate.split: got 'tset'"),
        ("strong.api_key_env", "A=B", "strong.api_key_env: needs the name of an environment variable"),
        ("strong.timeout_s", float("inf"), "strong.timeout_s: got inf; .*finite"),
        ("strong.budget_usd", float("inf"), "strong.budget_usd: got inf; .*finite"),
        ("strong.price", {"input": float("inf"), "output": 1.0}, "strong.price.input: got inf; .*finite"),
    ],
)
def test_wrong_values_are_named(key: str, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_recipe(with_key(key, value))


def test_sampling_of_the_evaluation_keeps_the_token_limit_unless_it_gives_one() -> None:
    greedy = {"temperature": 0.0}
    for role, default in (("weak", 1028), ("strong", None)):
        key = f"evaluate.{role}_sampling"
        data = with_key(key, greedy)
        limit = getattr(make_recipe(data), role).sampling.max_tokens
        assert limit == default
        found = getattr(make_recipe(data).evaluate, f"{role}_sampling")
        assert (found.temperature, found.top_p, found.max_tokens) == (0.0, None, limit)
        data[role] = {**data[role], "sampling": {"max_tokens": 7}}
        assert getattr(make_recipe(data).evaluate, f"{role}_sampling").max_tokens == 7
        for given in (9, None):
            own = make_recipe(with_key(key, {"max_tokens": given}))
            assert getattr(own.evaluate, f"{role}_sampling").max_tokens == given


@pytest.mark.parametrize("among", [[], ["http://127.0.0.1:8000/v1"]])
def test_a_password_in_an_address_is_not_repeated(among: list[str]) -> None:
    address = "http://me:hush-hush@host/v1"
    with pytest.raises(InputError, match=r"strong\.base_url: needs an address without") as caught:
        make_recipe(with_key("strong.base_url", [*among, address] if among else address))
    assert "hush-hush" not in str(caught.value)
    assert str(caught.value).count("base_url") == 1


def test_options_that_no_request_can_hold_are_refused() -> None:
    data = with_key("strong.options", {"seed": float("nan")})
    with pytest.raises(InputError, match=r"strong\.options"):
        make_recipe(data)
