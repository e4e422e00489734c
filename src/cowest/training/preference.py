"""DPO of a LoRA adapter with TRL's DPOTrainer; the reference is the model that the drafts were sampled from."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
import trl
from trl.trainer.dpo_trainer import DataCollatorForPreference

from cowest.errors import InputError
from cowest.training import loading
from cowest.training.completion_head import score_completions_only
from cowest.training.job import Job
from cowest.training.lora import LoRAConfig
from cowest.training.policy import open_policy
from cowest.training.progress import Progress
from cowest.training.quiet import quiet
from cowest.training.row_files import RowFiles
from cowest.training.rows import ChatRow, TokenRow
from cowest.training.session import train
from cowest.training.settings import TrainingSettings, trainer_arguments
from cowest.training.trained import TrainedModel
from cowest.training.weights import Weights, for_training

_STRENGTH = "strength"


@dataclass(frozen=True)
class PairLoss:
    """What is minimised over pairs.

    Attributes:
        beta: the scale alpha of Equation 2.
        name: TRL's name of the loss.
        label_smoothing: of the losses that have one.
        weight: how a pair's gain counts: as a factor of its loss, or as an offset of its margin (ODPO).
        offset_scale: alpha of ODPO; the offset is alpha times the logarithm of the gain.
    """

    beta: float
    name: str = "sigmoid"
    label_smoothing: float = 0.0
    weight: Literal["gain", "offset"] | None = None
    offset_scale: float = 1.0


class _TokenPairTrainer(trl.DPOTrainer):
    """A DPOTrainer that takes rows of token ids, as SFTTrainer's `skip_prepare_dataset` does."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset


class _Collator(DataCollatorForPreference):
    """Keeps the column of the pairs' weights or offsets."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        return super().torch_call(examples) | {_STRENGTH: torch.tensor([each[_STRENGTH] for each in examples])}


class _StrengthTrainer(_TokenPairTrainer):
    """Rows have a column with their weight or their offset."""

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if _STRENGTH not in self._signature_columns:
            self._signature_columns.append(_STRENGTH)


class _WeightedTrainer(_StrengthTrainer):
    """Each pair's loss is multiplied by its weight."""

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        # TRL's loss is a mean over the pairs that it is given, so each is given alone.
        strengths = inputs.pop(_STRENGTH)
        losses = [
            super(_WeightedTrainer, self)._compute_loss(model, _one_pair(inputs, number), False) * strength
            for number, strength in enumerate(strengths)
        ]
        return torch.stack(losses).mean()


class _OffsetTrainer(_StrengthTrainer):
    """ODPO (Amini et al. 2024): -log sigmoid(margin - offset)."""

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        # Raising the reference's log-probability of the chosen draft lowers the margin by as much, before beta.
        offsets = inputs.pop(_STRENGTH)
        chosen, rejected = self.compute_ref_log_probs(self.model, inputs)
        references = {"ref_chosen_logps": chosen + offsets / self.beta, "ref_rejected_logps": rejected}
        self.precompute_ref_logps = True
        loss = super()._compute_loss(model, inputs | references, return_outputs)
        mean = self.accelerator.gather(offsets).mean().item()
        for name in ("rewards/chosen", "rewards/margins"):  # which TRL has computed less the offset
            self._metrics["train"][name][-1] += mean
        return loss


def train_preference(
    start: Weights,
    rows: Sequence[ChatRow],
    *,
    out: Path,
    settings: TrainingSettings,
    loss: PairLoss,
    lora: LoRAConfig | None,
    seed: int,
    untrainable: list[dict[str, str]],
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains the adapter of `start` further, or a new one where `start` is a full model (paper Equation 2).

    The frozen reference is a copy of that adapter as it was at the start, or the full model without adapter.

    Args:
        rows: each with the chosen and the rejected draft, and with the gain where the loss uses it.
        settings: all that the loss depends on besides beta must be in them, since they decide what is resumed.
        lora: shape of a new adapter. An existing adapter keeps its own shape, which must equal this one if given.
        untrainable: rows that were left out before; they are listed in untrainable.jsonl.

    Raises:
        InputError: the model or a setting is wrong.
        TrainingError: no pair can be trained on, or training goes wrong.
        InterruptedRun: Ctrl-C.
    """
    start = for_training(start, lora)
    with quiet(), RowFiles(out / "tokens") as files:
        transformers.set_seed(seed)
        arguments = trl.DPOConfig(
            **trainer_arguments(settings, out / "checkpoints", seed),
            beta=loss.beta,
            loss_type=[loss.name],
            label_smoothing=loss.label_smoothing,
        )
        tokenizer = loading.load_tokenizer(start)
        new_adapter = (lora or LoRAConfig()).model_dump(mode="json") if start.adapter is None else None
        job = Job.of(
            "align",
            start,
            rows,
            tokenizer,
            files=files,
            arguments=arguments,
            out=out,
            settings=settings,
            seed=seed,
            untrainable=untrainable,
            identity={"start": start.identity(), "beta": loss.beta, "new_adapter": new_adapter},
            facts={
                "method": "dpo",
                "reference": start.reference,
                "beta": loss.beta,
                "loss": loss.name,
                "weight": loss.weight,
            },
        )

        def make_trainer() -> trl.DPOTrainer:
            base = loading.load_model(start, bf16=arguments.bf16, device=arguments.device)
            columns: Iterable[dict[str, Any]] = map(_columns, job.rows)
            further: dict[str, Any] = {}
            if loss.weight is not None:
                strengths = _strengths(job.rows, loss)
                columns = (each | {_STRENGTH: number} for each, number in zip(columns, strengths, strict=True))
                further["data_collator"] = _Collator(pad_token_id=tokenizer.pad_token_id)
            kinds = {None: _TokenPairTrainer, "gain": _WeightedTrainer, "offset": _OffsetTrainer}
            try:
                model, peft_config = open_policy(base, start, lora)
                trainer = kinds[loss.weight](
                    model=model,
                    peft_config=peft_config,
                    args=arguments,
                    train_dataset=files.of_trainer(columns, arguments),
                    processing_class=tokenizer,
                    **further,
                )
            except ValueError as error:
                raise InputError(
                    f"DPO from {start.reference!r} cannot start: {error} Check the lora and align sections."
                ) from error
            score_completions_only(trainer)
            return trainer

        return train(job, arguments, make_trainer, progress)


def _columns(row: TokenRow) -> dict[str, Any]:
    chosen, rejected = row.completions
    return {"prompt_ids": row.prompt, "chosen_ids": chosen, "rejected_ids": rejected}


def _strengths(rows: Sequence[TokenRow], loss: PairLoss) -> list[float]:
    """The offset of each pair, or its weight; weights have a mean of 1, so that they do not change the step size."""
    gains = [row.gain or 0 for row in rows]
    if loss.weight == "offset":
        return [loss.offset_scale * math.log(gain) for gain in gains]
    mean = sum(gains) / len(gains)
    return [gain / mean for gain in gains]


def _one_pair(inputs: dict[str, Any], number: int) -> dict[str, Any]:
    """One pair of a batch, which holds the chosen drafts and then the rejected ones."""
    return {name: torch.stack([side[number] for side in values.chunk(2)]) for name, values in inputs.items()}
