"""lora.quantize in a run: every draft is over the weights of training, and what cannot be is refused first."""

import sys
from pathlib import Path
from typing import Any

import pytest

from cowest import quantization, runs
from cowest.doctor import FAULT, diagnose
from cowest.errors import InputError
from cowest.method_names import weak_stage
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from tests.engines.engines import scripted
from tests.models.conftest import make_model_folder
from tests.recipes import recipe_of
from tests.training import tiny

NF4 = {"r": 4, "alpha": 4, "quantize": "nf4"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build_for_4_bits(tmp_path_factory.mktemp("models") / "base", positions=4096)


def data_of(folder: Path, base: Path, **changes: Any) -> dict[str, Any]:
    small = {"task__train": "4", "task__test": "4", "feedback__queries": 2, "feedback__samples": 2}
    weak = {"model": f"local/{base}", "sampling": {"max_tokens": 4}}
    return recipe_of(folder, **{"weak": weak, "lora": NF4} | small | changes)


def identities(pipeline: Pipeline) -> dict[str, str]:
    with pipeline:
        stages = pipeline.context.weak.stages()
        return {name: pipeline.context.models.model(config, "weak").identity for name, config in stages.items()}


def test_all_drafts_are_over_4_bits_also_those_before_any_training(tmp_path: Path, base: Path) -> None:
    align = {"batch_size": 1, "gradient_accumulation": 1}
    pipeline = Pipeline(make_recipe(data_of(tmp_path / "run", base, align=align)))
    with pipeline:
        pipeline.sft()
        pipeline.folder.feedback(1).mkdir(parents=True)
        runs.write_jsonl(pipeline.folder.feedback(1) / "pairs.jsonl", tiny.pairs(1))
        pipeline.align(1)
    found = identities(pipeline)
    assert found.keys() == {"sft", "base", weak_stage(1)}
    assert all("+nf4|float32" in identity for identity in found.values())
    assert quantization.beside(pipeline.folder.align(1)) == "nf4"
    whole = Pipeline(make_recipe(data_of(tmp_path / "run", base, align=align, lora={"r": 4, "alpha": 4})))
    with whole, pytest.raises(InputError, match="quantize"):
        whole.sft()


def test_where_sft_is_given_alignment_begins_from_that_in_4_bits(tmp_path: Path, base: Path) -> None:
    pipeline = Pipeline(make_recipe(data_of(tmp_path / "run", base, sft__from=str(base))))
    with pipeline:
        pipeline.sft()
    assert all("+nf4|" in identity for identity in identities(pipeline).values())
    plain = tmp_path / "plain"
    with Pipeline(make_recipe(data_of(plain, base, lora={"r": 4, "alpha": 4}))) as before:
        before.sft()
    other = Pipeline(make_recipe(data_of(tmp_path / "other", base, sft__from=str(plain / "sft"))))
    with other, pytest.raises(InputError, match=r"lora\.quantize: null, but lora\.quantize is nf4"):
        other.check()


def test_without_the_package_doctor_says_so_and_nothing_is_paid(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    data = data_of(tmp_path / "run", base, sft={"explanations": "strong"})
    faults = [check.line for check in diagnose(Pipeline(make_recipe(data)), 3) if check.mark == FAULT]
    assert [line for line in faults if "pip install 'cowest[nf4]'" in line]
    for stage in ("run", "sft"):
        with Pipeline(make_recipe(data)) as pipeline:
            with pytest.raises(InputError, match=r"cowest\[nf4\]"):
                getattr(pipeline, stage)()
            assert not pipeline.context.paid_calls()


@pytest.mark.parametrize(
    ("weak", "lora", "said"),
    [
        ({"engine": "vllm"}, NF4, r"weak\.engine: vllm would draft over the whole weights"),
        ({"options": {"quantize": "nf4"}}, {}, r"weak\.options\.quantize is nf4, and lora\.quantize is null"),
        ({}, {"quantize": "int8"}, r"lora\.quantize.*'nf4'"),
    ],
)
def test_recipes_in_which_another_model_would_draft(base: Path, weak: Any, lora: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_recipe(data_of(Path("run"), base, weak={"model": f"local/{base}"} | weak, lora=lora))


def test_options_of_other_models(tmp_path: Path) -> None:
    """A strong model in this process may be held in 4 bits too; not in float64, and not on servers."""
    import cowest

    folder = make_model_folder(tmp_path / "model")
    assert "+nf4|" in cowest.model(f"local/{folder}", options={"quantize": "nf4"}).identity
    with pytest.raises(InputError, match="float64"):
        cowest.model(f"local/{folder}", options={"quantize": "nf4", "dtype": "float64"})
    (tmp_path / "adapter").mkdir()
    runs.write_json(tmp_path / "adapter" / "adapter_config.json", {"base_model_name_or_path": str(folder), "r": 4})
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "adapter" / quantization.FILE).write_text(quantization.text())
    engine = scripted(tmp_path / "events.jsonl").model_dump(mode="json")
    with pytest.raises(InputError, match=r"trained over weights in nf4.*--merged"):
        cowest.model(f"local/{tmp_path / 'adapter'}", engine="vllm", vllm=engine)
