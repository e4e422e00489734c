"""LoRA settings (paper appendix B.2: rank 16, alpha 16), the recipe's section `lora`."""

from typing import Any

from pydantic import Field

from cowest.quantization import Quantization
from cowest.types import Record, omitted_if_none


class LoRAConfig(Record):
    """The shape of the adapter that both training stages share.

    Attributes:
        r: rank.
        alpha: the update is scaled by alpha / r.
        dropout: on the adapter's input during SFT; DPO runs without, so that policy and reference start equal.
        target_modules: "all-linear" (all but the output layer), or names of modules.
        quantize: "nf4" holds the base in 4 bits (QLoRA) while it is trained and while it drafts in this process; for a
            GPU that is too small otherwise. It needs `pip install "cowest[nf4]"`. None holds it as it is.
    """

    r: int = Field(default=16, ge=1)
    alpha: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    target_modules: str | tuple[str, ...] = "all-linear"
    quantize: Quantization | None = omitted_if_none()

    def to_peft(self, base: str) -> Any:
        """The PEFT configuration of a new adapter on the model `base` (a folder or a hub id)."""
        import peft

        modules = self.target_modules if isinstance(self.target_modules, str) else list(self.target_modules)
        return peft.LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=modules,
            task_type="CAUSAL_LM",
            base_model_name_or_path=base,
        )
