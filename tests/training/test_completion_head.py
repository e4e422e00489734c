"""The output layer on a CPU: TRL's loss, gradients and metrics, from the tokens of completions alone."""

from types import SimpleNamespace
from typing import Any

import peft
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from cowest.training import completion_head

FIELDS = ("log_probs", "entropy", "mean_logits", "is_top1")
VOCABULARY = 300


def make_trainer(dtype: torch.dtype = torch.float32, *, use_cpu: bool = True, **config: Any) -> Any:
    """What `score_completions_only` needs of a trainer: the same weights at every call."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=1,
            num_attention_heads=2,
            **config,
        )
    ).to(dtype)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    add_fused_lm_head(model, outputs=FIELDS)
    return SimpleNamespace(model=adapted, args=SimpleNamespace(use_cpu=use_cpu))


def batch() -> dict[str, torch.Tensor]:
    """Completions of 150 tokens and of 1, the second row padded; more targets than are scored at once."""
    ids = torch.randint(VOCABULARY, (2, 200), generator=torch.Generator().manual_seed(1))
    labels = ids.clone()
    labels[0, :50] = -100
    labels[1, :20] = labels[1, 21:] = -100
    mask = torch.ones_like(ids)
    mask[1, 21:] = 0
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def step(trainer: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """The output of a forward pass, and the gradients that its loss has."""
    output = trainer.model(**batch(), fused_lm_head=True)
    output.loss.backward()
    gradients = {name: each.grad for name, each in trainer.model.named_parameters() if each.grad is not None}
    return output, gradients


@pytest.mark.parametrize(("autocast", "tolerance"), [(False, 1e-5), (True, 2e-2)])
def test_loss_gradients_and_metrics_are_those_of_trl(autocast: bool, tolerance: float) -> None:
    dtype = torch.bfloat16 if autocast else torch.float32
    trainers = [make_trainer(dtype) for _ in range(2)]
    completion_head.score_completions_only(trainers[1])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        (theirs, their_gradients), (ours, our_gradients) = (step(trainer) for trainer in trainers)
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=tolerance, atol=tolerance)
    for field in FIELDS:
        torch.testing.assert_close(ours[field], theirs[field], rtol=tolerance, atol=tolerance)
    assert our_gradients.keys() == their_gradients.keys() != set()
    for name, gradient in our_gradients.items():
        torch.testing.assert_close(gradient, their_gradients[name], rtol=tolerance, atol=tolerance)


def num_operations(trainer: Any, num_targets: int) -> int:
    """In the matrix products of a training step on two rows, of which so many tokens are trained on."""
    inputs = batch()
    inputs["labels"][1] = -100
    inputs["labels"][0, : 200 - num_targets] = -100
    with FlopCounterMode(display=False) as counted:
        trainer.model(**inputs, fused_lm_head=True).loss.backward()
    return counted.get_total_flops()


def test_tokens_that_are_not_trained_on_do_not_meet_the_vocabulary() -> None:
    trainer = make_trainer()
    completion_head.score_completions_only(trainer)
    products = 2  # logits, and their gradient by the hidden state
    assert num_operations(trainer, 101) - num_operations(trainer, 1) == 100 * products * 2 * 32 * VOCABULARY


@pytest.mark.parametrize(
    ("use_cpu", "config"), [(False, {}), (True, {"logits_scaling": 2.0}), (True, {"final_logit_softcapping": 30.0})]
)
def test_other_devices_and_other_logits_keep_the_layer_of_trl(use_cpu: bool, config: dict[str, float]) -> None:
    trainer = make_trainer(use_cpu=use_cpu, **config)
    before = trainer.model.get_base_model().forward
    completion_head.score_completions_only(trainer)
    assert trainer.model.get_base_model().forward == before


def test_an_output_layer_that_is_trained_gets_its_gradient() -> None:
    trainer = make_trainer()
    completion_head.score_completions_only(trainer)
    trainer.model.get_base_model().lm_head.weight.requires_grad_(True)
    _, gradients = step(trainer)
    assert any("lm_head" in name and gradient.any() for name, gradient in gradients.items())
