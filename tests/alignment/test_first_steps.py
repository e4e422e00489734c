"""Each method's loss before its first step, where policy and reference are equal, is known; and what it then learns."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from cowest.alignment.config import SMOOTHED, AlignConfig, Loss
from cowest.runs import read_jsonl
from cowest.stages.align import align, lessons_of
from cowest.stages.sft import SFTConfig, sft
from cowest.training import TrainedModel, preference
from cowest.training.unpaired import sides
from cowest.types import PreferencePair
from tests.training import tiny

LN_2 = math.log(2)
ONE_STEP: dict[str, Any] = {"batch_size": 4, "gradient_accumulation": 1, "learning_rate": 2e-3}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def start(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """After an SFT that moved the model away from its base, so that a wrong reference shows in the first loss."""
    config = SFTConfig(epochs=4, batch_size=8, gradient_accumulation=1, learning_rate=1e-2)
    return sft(str(base), tiny.examples(8), out=tmp_path_factory.mktemp("sft") / "sft", config=config)


def pairs_with(*gains: int) -> list[PreferencePair]:
    """A pair for each of these differences of gains."""
    made = tiny.pairs(len(gains))
    return [
        pair.model_copy(update={"gain_chosen": gain - 1, "gain_rejected": -1})
        for pair, gain in zip(made, gains, strict=True)
    ]


def test_every_loss_has_its_value_at_the_start(
    start: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beta, share = 0.2, 0.1
    half = math.log(0.5)
    expected = {
        **dict.fromkeys(("sigmoid", "robust", "sigmoid_norm"), LN_2),
        **dict.fromkeys(("hinge", "apo_zero", "apo_down"), 1.0),
        **dict.fromkeys(("nca_pair", "bco_pair"), 2 * LN_2),
        "ipo": (0 - 1 / (2 * beta)) ** 2,
        "sppo_hard": 2 * (1 / (2 * beta)) ** 2,
        "exo_pair": 0.5 * (half - math.log(1 - share)) + 0.5 * (half - math.log(share)),
        "discopop": 0.5 * LN_2 + 0.5,
    }
    assert expected.keys() == set(get_args(Loss))
    found = {}

    class Asked(preference._TokenPairTrainer):  # type: ignore[misc]
        def train(self, *args: Any, **kwargs: Any) -> Any:
            batch = next(iter(self.get_train_dataloader()))
            for name in expected:
                self.loss_types, self.label_smoothing = [name], share if name in SMOOTHED else 0.0
                found[name] = self.compute_loss(self.model, dict(batch)).item()
            self.loss_types, self.label_smoothing = ["ipo"], 0.0
            return super().train(*args, **kwargs)

    monkeypatch.setattr(preference, "_TokenPairTrainer", Asked)
    config = AlignConfig(**ONE_STEP, beta=beta, loss="ipo")
    trained = align(start, tiny.pairs(4), out=tmp_path / "a", config=config)
    assert found == pytest.approx(expected, abs=1e-4)
    assert trained.metrics.first_loss == pytest.approx(expected["ipo"], abs=1e-4)
    assert (trained.metrics.method, trained.metrics.loss, trained.metrics.weight) == ("dpo", "ipo", None)


def test_smoothing_reaches_the_loss(start: TrainedModel, tmp_path: Path) -> None:
    config = AlignConfig(**ONE_STEP, loss="exo_pair", label_smoothing=0.1)
    trained = align(start, tiny.pairs(4), out=tmp_path / "a", config=config)
    assert trained.metrics.first_loss == pytest.approx(math.log(0.5) - 0.5 * math.log(0.9 * 0.1), abs=1e-4)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_offset_asks_for_a_margin_by_how_far_the_gains_lie_apart(
    start: TrainedModel, tmp_path: Path, batch_size: int
) -> None:
    """ODPO: -log sigmoid(0 - alpha log(difference)) at the start; a difference of 1 asks for none, as DPO."""
    config = AlignConfig(
        batch_size=batch_size,
        gradient_accumulation=4 // batch_size,
        learning_rate=1e-4,
        epochs=2,
        weight="offset",
        offset_scale=1.5,
    )
    trained = align(start, pairs_with(1, 2, 5, 9), out=tmp_path / "a", config=config)
    offsets = [1.5 * math.log(gain) for gain in (1, 2, 5, 9)]
    expected = sum(math.log(1 + math.exp(offset)) for offset in offsets) / 4
    assert trained.metrics.first_loss == pytest.approx(expected, abs=1e-4)
    rows = list(read_jsonl(tmp_path / "a" / "metrics.jsonl"))
    assert rows[0]["rewards/margins"] == pytest.approx(0, abs=1e-5)  # a reward does not include the offset
    assert rows[1]["loss"] < rows[0]["loss"]


def test_a_weight_scales_each_pairs_loss_and_not_their_sum(start: TrainedModel, tmp_path: Path) -> None:
    plain = AlignConfig(**ONE_STEP | {"learning_rate": 0.1, "optimizer": "sgd", "max_grad_norm": 0})
    weighted = plain.model_copy(update={"weight": "gain"})
    first_losses = {}

    def weights_after(name: str, pairs: list[PreferencePair], config: AlignConfig) -> dict[str, torch.Tensor]:
        first_losses[name] = align(start, pairs, out=tmp_path / name, config=config).metrics.first_loss
        return tiny.weights_of(tmp_path / name)

    equal, dpo = weights_after("equal", pairs_with(3, 3, 3, 3), weighted), weights_after("dpo", tiny.pairs(4), plain)
    # One pair with all of the weight but a ten-thousandth is like that pair alone: a mean over one, not over four.
    heavy = weights_after("heavy", pairs_with(100_000, 1, 1, 1), weighted)
    alone = weights_after("alone", tiny.pairs(1), plain)
    assert _close(equal, dpo)
    assert _close(heavy, alone)
    assert not _close(dpo, alone)
    assert first_losses == pytest.approx(dict.fromkeys(first_losses, LN_2), abs=1e-4)


def _close(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(tensor.allclose(right[name], atol=1e-5) for name, tensor in left.items())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # 8 desirable drafts and 4 undesirable: balanced, the scarcer side weighs more
        ({}, (1.0, 2.0)),
        ({"desirable_weight": 3.0}, (3.0, 6.0)),
        ({"undesirable_weight": 1.0}, (0.5, 1.0)),
        ({"desirable_weight": 1.33, "undesirable_weight": 2.0}, (1.33, 2.0)),
    ],
)
def test_ktos_weights_balance_the_sides(given: dict[str, float], expected: tuple[float, float]) -> None:
    found = sides([True, True, False] * 4, given.get("desirable_weight"), given.get("undesirable_weight"))
    assert tuple(found.values()) == pytest.approx(expected)


def test_ktos_loss_at_the_start_is_half_of_the_weights(start: TrainedModel, tmp_path: Path) -> None:
    """At the start a reward is 0, and so is the divergence: each loss is its weight times 1 - sigmoid(0)."""
    config = AlignConfig(method="kto", batch_size=12, gradient_accumulation=1, learning_rate=5e-3, epochs=4)
    trained = align(start, tiny.graded(4), out=tmp_path / "a", config=config)
    record = trained.metrics
    assert (record.num_rows, record.num_untrainable) == (12, 4)  # the fourth draft of each query was cut
    assert (record.desirable_weight, record.undesirable_weight) == (1.0, 2.0)
    assert record.first_loss == pytest.approx(0.5 * (8 * 1.0 + 4 * 2.0) / 12, abs=1e-4)
    assert (record.method, record.reference) == ("kto", start.folder)
    assert record.final["rewards/chosen"] > record.final["rewards/rejected"] + 0.05
    assert record.final_loss < record.first_loss


def test_rfts_loss_at_the_start_is_the_drafts_negative_log_likelihood(
    base: Path, start: TrainedModel, tmp_path: Path
) -> None:
    config = AlignConfig(method="rft", batch_size=4, gradient_accumulation=1, learning_rate=2e-3)
    trained = align(start, tiny.graded(4), out=tmp_path / "a", config=config)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(start.folder)).eval()
    total, count = 0.0, 0
    for row in lessons_of(tiny.graded(4), config).rows:
        assert row.completions[0].startswith("add: ")  # the draft with the largest gain
        turns = [message.model_dump() for message in row.prompt]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
        ids = [*prompt, *tokenizer(row.completions[0])["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        targets = torch.tensor(ids[len(prompt) :])
        total -= logits.gather(-1, targets[:, None]).sum().item()
        count += len(targets)
    assert trained.metrics.first_loss == pytest.approx(total / count, abs=1e-4)
    assert trained.metrics.method == "rft"
    assert tiny.weights_of(str(trained.folder)).keys() == tiny.weights_of(str(start.folder)).keys()


@pytest.mark.parametrize("config", [AlignConfig(method="kto"), AlignConfig(method="rft"), AlignConfig(weight="gain")])
def test_a_full_model_gets_a_new_adapter(base: Path, tmp_path: Path, config: AlignConfig) -> None:
    given = sft(str(base), [], out=tmp_path / "sft", config=SFTConfig(from_=str(base)))
    trained = align(given, tiny.graded(2), out=tmp_path / "a", config=config)
    assert trained.metrics.base == str(base)
    assert trained.metrics.reference == (None if config.method == "rft" else str(base))
