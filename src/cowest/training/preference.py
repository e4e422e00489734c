"""DPO of a LoRA adapter with TRL's DPOTrainer; the reference is the model that the drafts were sampled from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import peft
import torch
import transformers
import trl

from cowest.errors import InputError
from cowest.training import loading
from cowest.training.lora import LoRAConfig
from cowest.training.progress import Progress
from cowest.training.quiet import quiet
from cowest.training.rows import ChatRow, TokenRow
from cowest.training.session import Job, train
from cowest.training.settings import TrainingSettings, trainer_arguments
from cowest.training.trained import TrainedModel
from cowest.training.weights import Weights, refuse_other_shape


class _TokenPairTrainer(trl.DPOTrainer):
    """A DPOTrainer that takes rows of token ids, as SFTTrainer's `skip_prepare_dataset` does."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset


def train_preference(
    start: Weights,
    rows: Sequence[ChatRow],
    *,
    out: Path,
    settings: TrainingSettings,
    beta: float,
    lora: LoRAConfig | None,
    seed: int,
    untrainable: list[dict[str, str]],
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains the adapter of `start` further, or a new one where `start` is a full model (paper Equation 2).

    The frozen reference is a copy of that adapter as it was at the start, or the full model without adapter.

    Args:
        rows: each with the chosen and the rejected draft.
        lora: shape of a new adapter. An existing adapter keeps its own shape, which must equal this one if given.
        untrainable: rows that were left out before; they are listed in untrainable.jsonl.

    Raises:
        InputError: the model or a setting is wrong.
        TrainingError: no pair can be trained on, or training goes wrong.
        InterruptedRun: Ctrl-C.
    """
    if lora is not None:
        refuse_other_shape(start, lora)
    with quiet():
        transformers.set_seed(seed)
        arguments = trl.DPOConfig(
            **trainer_arguments(settings, out / "checkpoints", seed), beta=beta, loss_type=["sigmoid"]
        )
        tokenizer = loading.load_tokenizer(start)
        new_adapter = (lora or LoRAConfig()).model_dump(mode="json") if start.adapter is None else None
        job = Job.of(
            "align",
            start,
            rows,
            tokenizer,
            out=out,
            settings=settings,
            seed=seed,
            untrainable=untrainable,
            identity={"start": start.identity(), "beta": beta, "new_adapter": new_adapter},
            facts={"reference": start.base if start.adapter is None else str(start.adapter), "beta": beta},
        )

        def make_trainer() -> trl.DPOTrainer:
            base = loading.load_model(start, torch.bfloat16 if arguments.bf16 else torch.float32)
            try:
                model, peft_config = _policy(base, start, lora)
                return _TokenPairTrainer(
                    model=model,
                    peft_config=peft_config,
                    args=arguments,
                    train_dataset=datasets.Dataset.from_list([_columns(row) for row in job.rows]),
                    processing_class=tokenizer,
                )
            except ValueError as error:
                raise InputError(
                    f"DPO from {job.facts['reference']!r} cannot start: {error} Check the lora and align sections."
                ) from error

        return train(job, arguments, make_trainer, progress)


def _policy(base: Any, start: Weights, lora: LoRAConfig | None) -> tuple[Any, Any]:
    """The model that is trained, and the `peft_config` that makes TRL take the right reference."""
    if start.adapter is None:
        # With `peft_config` TRL's reference is the model with the adapter disabled. That is right only here, where the
        # model below the adapter is the one that drafted.
        return base, (lora or LoRAConfig()).to_peft(start.path)
    # With neither `ref_model` nor `peft_config` TRL copies the adapter to a frozen one, "ref". Anything else silently
    # makes the base the reference.
    return peft.PeftModel.from_pretrained(base, str(start.adapter), is_trainable=True), None


def _columns(row: TokenRow) -> dict[str, list[int]]:
    chosen, rejected = row.completions
    return {"prompt_ids": row.prompt, "chosen_ids": chosen, "rejected_ids": rejected}
