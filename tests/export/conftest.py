"""A finished run on a tiny model: real adapters, invented results."""

import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from tests.export.sample import SECRET_PLACE, finish
from tests.report.sample import training
from tests.training import tiny


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build_for_4_bits(tmp_path_factory.mktemp(SECRET_PLACE) / "tiny-base")


@pytest.fixture(scope="session")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "ifqa"
    for number, folder in enumerate(("sft", "round-1/align")):
        torch.manual_seed(number)
        model = get_peft_model(
            AutoModelForCausalLM.from_pretrained(base),
            LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        assert isinstance(model, PeftModel)
        for name, weight in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.2)
        model.save_pretrained(run / folder)
        (run / folder / "optimizer.pt").write_bytes(b"a pickle that must stay here")
        training(adapter=".", base=str(base)).write(run / folder / "training.json")
    finish(run, base)
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(finished, tmp_path / "run"))
