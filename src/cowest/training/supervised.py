"""SFT of a LoRA adapter with TRL's SFTTrainer: the loss is on the completion only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
import trl

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


def train_supervised(
    weights: Weights,
    rows: Sequence[ChatRow],
    *,
    out: Path,
    settings: TrainingSettings,
    lora: LoRAConfig,
    seed: int,
    untrainable: list[dict[str, str]],
    progress: Progress | None = None,
    stage: str = "sft",
    facts: Mapping[str, Any] | None = None,
) -> TrainedModel:
    """Trains the adapter of `weights` further, or a new one where it has none, to write each row's completion.

    Args:
        lora: shape of a new adapter.
        stage: the recipe's section that the settings are from.
        facts: further fields of training.json; by default the shape of the adapter.
        untrainable: rows that were left out before; they are listed in untrainable.jsonl.

    Raises:
        InputError: the model or a setting is wrong, or no row can be trained on.
        TrainingError: training goes wrong.
        InterruptedRun: Ctrl-C.
    """
    if weights.adapter is None:
        weights = for_training(weights, lora)
    with quiet(), RowFiles(out / "tokens") as files:
        transformers.set_seed(seed)
        arguments = trl.SFTConfig(
            **trainer_arguments(settings, out / "checkpoints", seed),
            completion_only_loss=True,
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        tokenizer = loading.load_tokenizer(weights)
        shape = lora.model_dump(mode="json")
        job = Job.of(
            stage,
            weights,
            rows,
            tokenizer,
            files=files,
            arguments=arguments,
            out=out,
            settings=settings,
            seed=seed,
            untrainable=untrainable,
            identity={"base": weights.identity(), "lora": shape},
            facts={"lora": shape} if facts is None else dict(facts),
        )

        def make_trainer() -> trl.SFTTrainer:
            base = loading.load_model(weights, bf16=arguments.bf16, device=arguments.device)
            try:
                model, peft_config = open_policy(base, weights, lora)
                trainer = trl.SFTTrainer(
                    model=model,
                    args=arguments,
                    train_dataset=files.of_trainer(map(_columns, job.rows), arguments),
                    processing_class=tokenizer,
                    peft_config=peft_config,
                )
            except ValueError as error:
                raise InputError(
                    f"SFT of {weights.base!r} cannot start: {error} Check lora.target_modules and the {stage} section."
                ) from error
            score_completions_only(trainer)
            return trainer

        return train(job, arguments, make_trainer, progress)


def _columns(row: TokenRow) -> dict[str, list[int]]:
    completion = row.completions[0]
    return {"input_ids": row.prompt + completion, "labels": [-100] * len(row.prompt) + completion}
