from pathlib import Path

import peft
import pytest
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from cowest.training import LoRAConfig


def test_defaults_are_the_papers() -> None:
    config = LoRAConfig().to_peft("org/base")
    assert (config.r, config.lora_alpha, config.lora_dropout) == (16, 16, 0.0)


def test_all_linear_spares_the_output_layer(base: Path) -> None:
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoRAConfig().to_peft(str(base)))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any("down_proj" in name for name in trained)
    assert not any("lm_head" in name for name in trained)


def test_named_modules(base: Path) -> None:
    config = LoRAConfig(target_modules=("q_proj",)).to_peft(str(base))
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    assert all("q_proj" in name for name, parameter in model.named_parameters() if parameter.requires_grad)


@pytest.mark.parametrize("bad", [{"r": 0}, {"dropout": 1.0}, {"rank": 8}])
def test_bad_values_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        LoRAConfig.model_validate(bad)
