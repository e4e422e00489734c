"""GRPO of a LoRA adapter with TRL's GRPOTrainer: drafts are sampled and rewarded while it trains."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers
import trl

from cowest.errors import InputError, TrainingError
from cowest.training import loading
from cowest.training.job import Job
from cowest.training.lora import LoRAConfig
from cowest.training.policy import open_policy
from cowest.training.progress import Progress
from cowest.training.quiet import quiet
from cowest.training.row_files import RowFiles
from cowest.training.rows import ChatRow
from cowest.training.session import train
from cowest.training.settings import TrainingSettings, trainer_arguments
from cowest.training.trained import TrainedModel
from cowest.training.weights import Weights, for_training
from cowest.types import Draft, Sampling

Rewards = Callable[[int, Sequence[tuple[str, Draft]]], list[float | None]]
"""From the number of a step, from 1, and its drafts, each with the id of its row, to a reward for each or None."""


class _Trainer(trl.GRPOTrainer):
    """A GRPOTrainer that takes prompts as token ids, and whose drafts of a step depend on seed, step and weights only.

    A resumed training thus samples the same drafts again, whose calls are paid for.
    """

    def _tokenize_prompts(self, prompts: list[list[int]]) -> Any:
        return prompts, None, {}

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        digest = hashlib.sha256(f"drafts {self.args.seed} {self.state.global_step}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:6]))  # also for what is drawn until the next step's drafts
        return super()._generate_single_turn(*args, **kwargs)


def train_online(
    start: Weights,
    rows: Sequence[ChatRow],
    *,
    out: Path,
    settings: TrainingSettings,
    beta: float,
    generations: int,
    sampling: Sampling,
    rewards: Rewards,
    rewarded_by: Mapping[str, object],
    outcome: Callable[[], dict[str, Any]],
    lora: LoRAConfig | None,
    seed: int,
    untrainable: list[dict[str, str]],
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains the adapter of `start` further, or a new one where `start` is a full model.

    At each step `generations` drafts of some queries are sampled. A draft's advantage is its reward less the mean of
    its query's drafts, divided by their standard deviation; a draft without a reward has none.

    Args:
        rows: prompts alone; they are shuffled once by the seed and then keep their order.
        settings: `batch_size` counts drafts.
        beta: the weight of the divergence from the start.
        sampling: of the drafts.
        rewards: called once a step in the main thread.
        rewarded_by: what the rewards depend on, as JSON; part of the fingerprint.
        outcome: further fields of training.json, asked for at the end.
        lora: shape of a new adapter. An existing adapter keeps its own shape, which must equal this one if given.
        untrainable: rows that were left out before; they are listed in untrainable.jsonl.

    Raises:
        InputError: the model or a setting is wrong.
        TrainingError: there are fewer queries than a step takes, or training goes wrong.
        InterruptedRun: Ctrl-C.
    """
    start = for_training(start, lora)
    max_tokens = _require_samples(sampling)
    with quiet(), RowFiles(out / "tokens") as files:
        transformers.set_seed(seed)
        shared = trainer_arguments(settings, out / "checkpoints", seed)
        del shared["max_length"]  # a prompt that leaves no room for a draft is left out
        arguments = trl.GRPOConfig(
            **shared,
            beta=beta,
            num_generations=generations,
            steps_per_generation=settings.gradient_accumulation,
            max_completion_length=max_tokens,
            temperature=sampling.temperature,
            top_p=1.0 if sampling.top_p is None else sampling.top_p,
            top_k=0,
            shuffle_dataset=False,  # TRL's own order of a later epoch is another one after a resume
        )
        if arguments.world_size > 1:
            raise InputError(
                "align.method grpo calls the strong model while it trains, and trains in one process. Start it without "
                "accelerate launch, on one GPU."
            )
        tokenizer = loading.load_tokenizer(start)
        end_ids = loading.end_ids(start, tokenizer)
        new_adapter = (lora or LoRAConfig()).model_dump(mode="json") if start.adapter is None else None
        job = _of_whole_steps(
            Job.of(
                "align",
                start,
                Random(f"queries of grpo {seed}").sample(rows, len(rows)),
                tokenizer,
                files=files,
                arguments=arguments,
                out=out,
                settings=settings,
                seed=seed,
                untrainable=untrainable,
                identity={
                    "start": start.identity(),
                    "beta": beta,
                    "generations": generations,
                    "sampling": sampling.model_dump(mode="json"),
                    "new_adapter": new_adapter,
                    "rewarded_by": dict(rewarded_by),
                },
                facts={"method": "grpo", "reference": start.reference, "beta": beta},
                room=max_tokens,
                drafts_a_row=generations,
                outcome=outcome,
            ),
            settings.batch_size * settings.gradient_accumulation // generations,
        )

        def gain(completion_ids: list[list[int]], row_id: list[str], trainer_state: Any, **_: Any) -> Any:
            texts = tokenizer.batch_decode(completion_ids, skip_special_tokens=True)
            reasons = ["stop" if ids[-1] in end_ids else "length" for ids in completion_ids]
            drafts = [
                Draft(text=text, sample_index=number % generations, finish_reason=reason)
                for number, (text, reason) in enumerate(zip(texts, reasons, strict=True))
            ]
            return rewards(trainer_state.global_step + 1, list(zip(row_id, drafts, strict=True)))

        def make_trainer() -> trl.GRPOTrainer:
            base = loading.load_model(start, bf16=arguments.bf16, device=arguments.device)
            base.generation_config.eos_token_id = end_ids
            try:
                model, peft_config = open_policy(base, start, lora)
                return _Trainer(
                    model=model,
                    reward_funcs=gain,
                    args=arguments,
                    train_dataset=files.of_trainer(
                        ({"prompt": row.prompt, "row_id": row.id} for row in job.rows), arguments
                    ),
                    processing_class=tokenizer,
                    peft_config=peft_config,
                )
            except ValueError as error:
                raise InputError(
                    f"GRPO from {start.reference!r} cannot start: {error} Check the lora and align sections."
                ) from error

        return train(job, arguments, make_trainer, progress)


def _require_samples(sampling: Sampling) -> int:
    """The limit on a draft's tokens."""
    if sampling.temperature == 0:
        raise InputError(
            "align.method grpo compares drafts of one query, which are all the same at weak.sampling.temperature 0. "
            "Set a temperature above 0."
        )
    if sampling.max_tokens is None:
        raise InputError("align.method grpo needs weak.sampling.max_tokens, the limit on a draft. Set it.")
    if sampling.stop:
        raise InputError(
            "align.method grpo samples until the model's end token, and weak.sampling.stop names texts. Leave them out."
        )
    return sampling.max_tokens


def _of_whole_steps(job: Job, num_queries: int) -> Job:
    """The job without the last queries that fill no step, which TRL would leave out silently, others in each epoch."""
    num_kept = len(job.rows) // num_queries * num_queries
    if job.rows and not num_kept:
        raise TrainingError(
            f"A step of grpo takes {num_queries} queries, and {len(job.rows)} are there. Raise feedback.queries, or "
            "lower align.batch_size, align.gradient_accumulation, or raise align.generations."
        )
    reason = f"a step takes {num_queries} queries, and the last ones fill none"
    left_out = [{"id": row.id, "reason": reason} for row in job.rows[num_kept:]]
    return replace(job, rows=job.rows[:num_kept], untrainable=[*job.untrainable, *left_out])
