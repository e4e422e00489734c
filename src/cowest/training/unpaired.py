"""KTO of a LoRA adapter with TRL's KTOTrainer: single drafts with their sign, against the same reference as DPO."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import transformers
import trl

from cowest import words
from cowest.errors import InputError, TrainingError
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


class _TokenDraftTrainer(trl.KTOTrainer):
    """A KTOTrainer that takes rows of token ids, as SFTTrainer's `skip_prepare_dataset` does."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset


def train_unpaired(
    start: Weights,
    rows: Sequence[ChatRow],
    *,
    out: Path,
    settings: TrainingSettings,
    beta: float,
    desirable_weight: float | None,
    undesirable_weight: float | None,
    lora: LoRAConfig | None,
    seed: int,
    untrainable: list[dict[str, str]],
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains the adapter of `start` further, or a new one where `start` is a full model (Ethayarajh et al. 2024).

    The rows are shuffled once: TRL estimates the divergence from the reference with the completion of a neighbour, so
    it takes them in a fixed order.

    Args:
        rows: each with one draft and its gain; drafts with a gain above 0 are desirable.
        settings: at least 2 rows in a forward pass.
        desirable_weight, undesirable_weight: of the losses of either side; see `sides`.
        lora: shape of a new adapter. An existing adapter keeps its own shape, which must equal this one if given.
        untrainable: rows that were left out before; they are listed in untrainable.jsonl.

    Raises:
        InputError: the model or a setting is wrong.
        TrainingError: no draft can be trained on, or training goes wrong.
        InterruptedRun: Ctrl-C.
    """
    start = for_training(start, lora)
    with quiet(), RowFiles(out / "tokens") as files:
        transformers.set_seed(seed)
        tokenizer = loading.load_tokenizer(start)
        new_adapter = (lora or LoRAConfig()).model_dump(mode="json") if start.adapter is None else None
        arguments = trl.KTOConfig(**trainer_arguments(settings, out / "checkpoints", seed), beta=beta, loss_type="kto")
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
            identity={"start": start.identity(), "beta": beta, "new_adapter": new_adapter},
            facts={"method": "kto", "reference": start.reference, "beta": beta},
        )
        desirable = [_is_desirable(row) for row in job.rows]
        if job.overlong and len(set(desirable)) == 1:
            raise TrainingError(
                f"{words.plural(len(job.overlong), 'draft')} of more than {job.limit} tokens with the prompt cannot be "
                f"trained on, and the other {len(desirable)} all have the same sign. kto needs some that helped and "
                "some that did not: raise align.max_length, or lower weak.sampling.max_tokens in another run folder."
            )
        weights = sides(desirable, desirable_weight, undesirable_weight)
        job.facts.update(weights)
        for name, weight in weights.items():
            setattr(arguments, name, weight)

        def make_trainer() -> trl.KTOTrainer:
            base = loading.load_model(start, bf16=arguments.bf16, device=arguments.device)
            order = list(range(len(job.rows)))
            Random(f"drafts {seed}").shuffle(order)
            ordered = job.rows.take(order)
            try:
                model, peft_config = open_policy(base, start, lora)
                trainer = _TokenDraftTrainer(
                    model=model,
                    peft_config=peft_config,
                    args=arguments,
                    train_dataset=files.of_trainer(_columns(ordered, settings.batch_size), arguments),
                    processing_class=tokenizer,
                )
            except ValueError as error:
                raise InputError(
                    f"KTO from {start.reference!r} cannot start: {error} Check the lora and align sections."
                ) from error
            score_completions_only(trainer)
            return trainer

        return train(job, arguments, make_trainer, progress)


def sides(desirable: Sequence[bool], weight: float | None, other_weight: float | None) -> dict[str, float]:
    """The weights of desirable and undesirable drafts by KTOConfig's names; those not given balance the two sides.

    Balanced means that the weights of either side add up to the same, the lower end of what the KTO paper recommends
    (its Equation 8: the desirable side's sum is 1 to 4/3 of the other's). The larger side then has a weight of 1.
    """
    ratio = (len(desirable) - sum(desirable)) / sum(desirable) if 0 < sum(desirable) < len(desirable) else 1.0
    if weight is None:
        weight = max(1.0, ratio) if other_weight is None else other_weight * ratio
    if other_weight is None:
        other_weight = weight / ratio
    return {"desirable_weight": weight, "undesirable_weight": other_weight}


def _is_desirable(row: TokenRow) -> bool:
    return row.gain is not None and row.gain > 0


def _columns(rows: Sequence[TokenRow], batch_size: int) -> Iterator[dict[str, Any]]:
    """TRL's columns. In the KL term each prompt has the completion of the row before, the first of a batch the last's.

    A batch of one row takes the completion of the batch before, since its own would cancel its reward.
    """
    for number, row in enumerate(rows):
        start = number - number % batch_size
        last = min(start + batch_size, len(rows)) - 1
        other = number - 1 if number > start or start == last else last
        yield {
            "prompt_ids": row.prompt,
            "completion_ids": row.completions[0],
            "KL_completion_ids": rows[max(other, 0)].completions[0],
            "label": _is_desirable(row),
        }
