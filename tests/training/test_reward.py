"""The implicit reward, beside log-probabilities computed one text at a time."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig, TrainedModel, TrainingSettings
from cowest.training import weights as model_files
from cowest.training.reward import ImplicitReward
from cowest.types import Message
from tests.training import tiny

PROMPT = (Message(role="user", content="twice 37?"),)
TEXTS = ["Explanation: add it.\nAnswer: 74", "Answer: 10", "Answer: 10", ""]
LORA = LoRAConfig(r=4, alpha=4)


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, TrainedModel]:
    folder = tmp_path_factory.mktemp("reward")
    fast = {"batch_size": 4, "gradient_accumulation": 1, "learning_rate": 5e-3}
    before = sft(str(base), tiny.examples(8), out=folder / "sft", config=SFTConfig(**fast), lora=LORA)
    after = align(before, tiny.pairs(8), out=folder / "align", config=AlignConfig(**fast, epochs=4), lora=LORA)
    return before, after


def log_probability(base: Path, adapter: str | None, text: str) -> float:
    """log pi(text | prompt), without batches, padding or masks."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    prompt = tokenizer.apply_chat_template(
        [PROMPT[0].model_dump()], add_generation_prompt=True, tokenize=True, return_dict=True
    )["input_ids"]
    completion = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([[*prompt, *completion]])).logits[0].double().log_softmax(-1)
    return sum(float(logits[len(prompt) - 1 + index, token]) for index, token in enumerate(completion))


def reward(
    tuned: TrainedModel, reference: TrainedModel | str, beta: float = 0.1, *, bf16: bool = False
) -> ImplicitReward:
    location = reference if isinstance(reference, str) else reference.model
    return ImplicitReward(model_files.find(tuned.model), model_files.find(location), beta, TrainingSettings(bf16=bf16))


def test_it_is_beta_times_the_log_ratio(base: Path, tuned: tuple[TrainedModel, TrainedModel]) -> None:
    before, after = tuned
    expected = [
        0.3 * (log_probability(base, after.folder, text) - log_probability(base, before.folder, text)) for text in TEXTS
    ]
    assert reward(after, before, 0.3)(PROMPT, TEXTS) == pytest.approx(expected, abs=1e-4)
    assert abs(expected[0] - expected[1]) > 0.01


def test_in_bfloat16_it_is_that_of_the_training(base: Path, tuned: tuple[TrainedModel, TrainedModel]) -> None:
    before, after = tuned
    scorer = reward(after, before, 1.0, bf16=True)
    ids = torch.arange(5, 45)[None]
    for adapter, name in ((after.folder, "policy"), (before.folder, "reference")):
        assert adapter is not None
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
        model = PeftModel.from_pretrained(model, adapter).eval()
        scorer._model.set_adapter(name)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            expected = model(ids).logits
        with torch.no_grad():
            assert torch.equal(scorer._model(ids).logits, expected)
    assert reward(after, before, 1.0)(PROMPT, TEXTS) == pytest.approx(scorer(PROMPT, TEXTS), abs=0.2)


def test_a_reference_without_an_adapter_is_the_base(base: Path, tuned: tuple[TrainedModel, TrainedModel]) -> None:
    before, _ = tuned
    expected = [log_probability(base, before.folder, text) - log_probability(base, None, text) for text in TEXTS]
    assert reward(before, str(base), 1.0)(PROMPT, TEXTS) == pytest.approx(expected, abs=1e-3)


def test_what_did_not_change_has_no_reward_and_equal_texts_have_equal_ones(
    tuned: tuple[TrainedModel, TrainedModel],
) -> None:
    before, after = tuned
    assert reward(before, before)(PROMPT, TEXTS) == [0.0] * len(TEXTS)
    found = reward(after, before)(PROMPT, TEXTS)
    assert found[1] == found[2]


def test_what_was_preferred_is_rewarded(tuned: tuple[TrainedModel, TrainedModel]) -> None:
    scorer = reward(tuned[1], tuned[0])
    margins = []
    for pair in tiny.pairs(8):
        chosen, rejected = scorer(pair.prompt, [pair.chosen[0].content, pair.rejected[0].content])
        margins.append(chosen - rejected)
    assert sum(margin > 0 for margin in margins) >= 6
