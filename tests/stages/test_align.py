import contextlib
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from cowest.errors import InputError, TrainingError
from cowest.progress import quietly
from cowest.runs import write_jsonl
from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig, TrainedModel, preference
from tests.training import tiny

FAST = AlignConfig(epochs=3, batch_size=4, gradient_accumulation=1, learning_rate=2e-3)
LN_2 = math.log(2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def start(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """After an SFT that moved the model far from its base, so that a wrong reference shows in the first loss."""
    config = SFTConfig(epochs=20, batch_size=8, gradient_accumulation=1, learning_rate=1e-2)
    return sft(str(base), tiny.examples(16), out=tmp_path_factory.mktemp("sft") / "sft", config=config)


@contextlib.contextmanager
def held() -> Iterator[list[Any]]:
    """The trainers made meanwhile: their adapters' weights before and after training, and what the model then says."""
    made: list[Any] = []

    class Held(preference._TokenPairTrainer):
        def train(self, *args: Any, **kwargs: Any) -> Any:
            made.append(self)
            self.before = _adapters(self.model)
            result = super().train(*args, **kwargs)
            self.after = _adapters(self.model)
            self.num_adapters = len(self.model.peft_config)
            with torch.no_grad():
                self.said = self.model.eval()(torch.arange(5, 45)[None]).logits.log_softmax(-1)
            return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preference, "_TokenPairTrainer", Held)
        yield made


@pytest.fixture
def trainers() -> Iterator[list[Any]]:
    with held() as made:
        yield made


@dataclass(frozen=True)
class Aligned:
    """What `align` returned, its trainer, and what it printed."""

    model: TrainedModel
    trainer: Any
    printed: str


@pytest.fixture(scope="module")
def aligned(start: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Aligned:
    """Eight pairs, learned once for all tests that only look at the outcome."""
    out, printed = tmp_path_factory.mktemp("align") / "align", io.StringIO()
    silent = contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed)
    with held() as made, silent[0], silent[1], quietly():
        model = align(start, tiny.pairs(8), out=out, config=FAST)
    (trainer,) = made
    return Aligned(model, trainer, printed.getvalue())


def _adapters(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters() if "lora_" in name}


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_defaults_are_the_papers() -> None:
    config = AlignConfig()
    assert (config.method, config.beta, config.epochs, config.learning_rate) == ("dpo", 0.1, 1, 1.41e-5)
    assert (config.optimizer, config.batch_size, config.gradient_accumulation) == ("rmsprop", 1, 16)


def test_reference_is_the_sft_adapter_and_stays(start: TrainedModel, aligned: Aligned) -> None:
    assert aligned.model.metrics.first_loss == pytest.approx(LN_2, abs=1e-4)
    assert aligned.model.metrics.reference == start.folder
    trainer = aligned.trainer
    reference = [name for name in trainer.before if ".ref." in name]
    policy = [name for name in trainer.before if ".default." in name]
    assert len(reference) == len(policy) > 0
    assert all(torch.equal(trainer.before[name], trainer.after[name]) for name in reference)
    assert not any(torch.equal(trainer.before[name], trainer.after[name]) for name in policy)
    before = tiny.weights_of(str(start.folder))
    for name in reference:
        saved = name.replace(".ref.", ".")
        assert torch.equal(trainer.after[name], before[saved])


def test_pairs_are_told_apart_better(aligned: Aligned) -> None:
    rows = rows_of(Path(str(aligned.model.folder)) / "metrics.jsonl")
    assert rows[0]["rewards/margins"] == 0.0
    assert rows[-1]["rewards/margins"] > 0.1
    assert aligned.model.metrics.final_loss < 0.6
    assert aligned.model.metrics.final["rewards/accuracies"] == 1.0


def test_saved_folder_holds_one_adapter_without_pickles(base: Path, start: TrainedModel, aligned: Aligned) -> None:
    assert aligned.printed == ""
    assert sorted(path.name for path in Path(str(aligned.model.folder)).rglob("*")) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "metrics.jsonl",
        "training.json",
    ]
    assert tiny.weights_of(str(aligned.model.folder)).keys() == tiny.weights_of(str(start.folder)).keys()
    after_sft, after_align = (tiny.log_probabilities(base, model.folder) for model in (start, aligned.model))
    assert (after_sft - after_align).abs().max() > 1e-2


def test_saved_adapter_says_what_the_trained_model_said(base: Path, aligned: Aligned) -> None:
    assert torch.allclose(tiny.log_probabilities(base, aligned.model.folder), aligned.trainer.said, atol=1e-5)


def test_second_round_has_the_first_as_reference(aligned: Aligned, tmp_path: Path, trainers: list[Any]) -> None:
    first = aligned.model
    second = align(first.model, tiny.pairs(8), out=tmp_path / "2", config=FAST, seed=1)
    assert second.metrics.first_loss == pytest.approx(LN_2, abs=1e-4)
    assert second.metrics.reference == first.folder
    weights = tiny.weights_of(str(first.folder))
    reference = {name: value for name, value in trainers[0].after.items() if ".ref." in name}
    assert all(torch.equal(value, weights[name.replace(".ref.", ".")]) for name, value in reference.items())


def test_from_a_full_model_the_reference_is_that_model(base: Path, tmp_path: Path, trainers: list[Any]) -> None:
    given = sft(str(base), [], out=tmp_path / "sft", config=SFTConfig(from_=str(base)))
    aligned = align(given, tiny.pairs(8), out=tmp_path / "align", config=FAST, lora=LoRAConfig(r=4))
    assert aligned.metrics.first_loss == pytest.approx(LN_2, abs=1e-4)
    assert aligned.metrics.reference == str(base)
    assert trainers[0].num_adapters == 1
    assert not torch.allclose(tiny.log_probabilities(base, aligned.folder), tiny.log_probabilities(base, None))
    again = align(aligned, tiny.pairs(8), out=tmp_path / "2", config=FAST, lora=LoRAConfig(r=4))
    assert again.metrics.reference == aligned.folder
    assert trainers[1].num_adapters == 2


def test_batch_1x8_equals_8x1(start: TrainedModel, tmp_path: Path) -> None:
    for batch_size, accumulation in ((1, 8), (8, 1)):
        config = AlignConfig(batch_size=batch_size, gradient_accumulation=accumulation, learning_rate=1e-3, epochs=2)
        align(start, tiny.pairs(16), out=tmp_path / f"{batch_size}", config=config)
    left, right = (rows_of(tmp_path / name / "metrics.jsonl") for name in ("1", "8"))
    assert [row["loss"] for row in left] == pytest.approx([row["loss"] for row in right], abs=1e-4)
    reference = tiny.weights_of(tmp_path / "8")
    for name, tensor in tiny.weights_of(tmp_path / "1").items():
        assert tensor.allclose(reference[name], atol=1e-3), name


def test_settings_of_a_gpu_keep_the_reference_right(start: TrainedModel, aligned: Aligned, tmp_path: Path) -> None:
    """Gradient checkpointing and bfloat16 as on a GPU, tried on the CPU."""
    config = FAST.model_copy(update={"gradient_checkpointing": True})
    align(start, tiny.pairs(8), out=tmp_path / "a", config=config)
    assert tiny.same_weights(tmp_path / "a", str(aligned.model.folder))
    mixed = align(start, tiny.pairs(8), out=tmp_path / "c", config=config.model_copy(update={"bf16": True}))
    assert mixed.metrics.first_loss == pytest.approx(LN_2, abs=1e-4)
    assert mixed.metrics.final_loss < 0.6
    assert all(tensor.dtype == torch.float32 for tensor in tiny.weights_of(str(mixed.folder)).values())


def test_pairs_from_a_file_are_those_from_memory(start: TrainedModel, aligned: Aligned, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "pairs.jsonl", tiny.pairs(8))
    align(start.model, tmp_path / "pairs.jsonl", out=tmp_path / "a", config=FAST)
    assert tiny.same_weights(tmp_path / "a", str(aligned.model.folder))


def test_file_that_holds_no_pairs(start: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(tiny.pairs(1)[0].model_dump_json() + '\n{"prompt": []}\n')
    with pytest.raises(InputError, match=r"line 2 .*chosen"):
        align(start, tmp_path / "pairs.jsonl", out=tmp_path / "a", config=FAST)
    with pytest.raises(InputError, match="does not exist"):
        align(start, tmp_path / "nothing.jsonl", out=tmp_path / "a", config=FAST)


def test_overlong_pairs_are_left_out_and_listed(start: TrainedModel, tmp_path: Path) -> None:
    pair = tiny.pairs(1)[0]
    long = pair.model_copy(
        update={"example_id": "long", "rejected": (pair.rejected[0].model_copy(update={"content": "x" * 600}),)}
    )
    aligned = align(start, [*tiny.pairs(4), long], out=tmp_path / "a", config=FAST)
    assert (aligned.metrics.num_rows, aligned.metrics.num_overlong) == (4, 1)
    (row,) = rows_of(tmp_path / "a" / "overlong.jsonl")
    assert (row["id"], row["max_length"]) == ("long#0", 512)


def test_drafts_longer_than_the_papers_are_trained_on_where_the_context_holds_them(tmp_path: Path) -> None:
    (pair,) = tiny.pairs(1)
    long = pair.model_copy(update={"rejected": (pair.rejected[0].model_copy(update={"content": "x" * 1200}),)})
    model = tiny.build(tmp_path / "model", positions=2048)
    aligned = align(str(model), [long], out=tmp_path / "a", config=FAST)
    assert (aligned.metrics.num_rows, aligned.metrics.num_overlong) == (1, 0)


def test_no_pairs(start: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to train align on"):
        align(start, [], out=tmp_path / "a", config=FAST)


def test_adapter_keeps_its_shape(start: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"r=16 and alpha=16.*lora.*r=8"):
        align(start, tiny.pairs(4), out=tmp_path / "a", config=FAST, lora=LoRAConfig(r=8))


def test_own_start_is_never_overwritten(start: TrainedModel) -> None:
    with pytest.raises(InputError, match="overwrite"):
        align(start, tiny.pairs(4), out=str(start.folder), config=FAST)
    assert (Path(str(start.folder)) / "training.json").is_file()
