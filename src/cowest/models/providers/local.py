"""Models in this process: a folder or a hub id, with transformers. The weak model's home."""

import asyncio
import functools
import importlib.util
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationError

from cowest import plugins, progress
from cowest.concurrency import in_line, let_through
from cowest.errors import CowestError, InputError
from cowest.models.base import BaseChatModel
from cowest.models.config import ModelConfig
from cowest.models.providers import _local_weights
from cowest.models.providers._local_batching import Gatherer, Job
from cowest.types import ChatRequest, Completion, Record

if TYPE_CHECKING:
    from cowest.models.providers._local_engine import Engine


class LocalOptions(Record):
    """`options` of a local model.

    Attributes:
        dtype: None is bfloat16 on a GPU and float32 elsewhere. float64 makes a reply independent of what else is in
            its batch; in the others a last digit can tip a choice.
        max_batch_size: rows decoded at once.
        device: "cpu", "cuda", "cuda:1" ...; None is the GPU where there is one.
        logprobs: whether completions carry `token_logprobs` and `tokens`.
        seed: of sampling; None is the recipe's. A bench gives it to its strong models, whose replies its seeds share.
    """

    dtype: Literal["float32", "bfloat16", "float16", "float64"] | None = None
    max_batch_size: int = Field(default=64, ge=1)
    device: str | None = None
    logprobs: bool = True
    seed: int | None = Field(default=None, ge=0)


class LocalModel(BaseChatModel):
    """A model of transformers that completes conversations in batches.

    A reply is a function of weights, request and seed; `sample_index` tells samples apart. Requests that wait at the
    same time are decoded together, those with the same messages share one prefill, and equal greedy ones are decoded
    once. Weights are loaded at the first request. Unlike an endpoint's, an empty reply is a reply: it is what the
    model sampled.
    """

    in_process = True

    def __init__(self, name: str, folder: _local_weights.ModelFolder, options: LocalOptions, seed: int) -> None:
        self.name = name
        self._folder = folder
        self._options = options
        self._seed = seed
        self._device = options.device or _best_device()
        self._dtype = options.dtype or ("bfloat16" if self._device.startswith("cuda") else "float32")
        self.identity = f"{folder.identity()}|{_local_weights.arithmetic(self._dtype)}|seed {seed}"
        self._engine: Engine | None = None
        self._gatherer: Gatherer[ChatRequest, Completion] = Gatherer(self._work, name=f"local model {name}")

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks that the model is there; loads no weights yet.

        Raises:
            InputError: no torch, no such folder, a file missing, or a wrong option.
        """
        if any(importlib.util.find_spec(package) is None for package in ("torch", "transformers")):
            raise InputError(
                f"{config.model!r} runs in this process, which needs torch and transformers. "
                "Run: pip install cowest[train] (or use a server: openai/NAME with base_url)."
            )
        folder, options = _local_weights.find(config.model_name, config.chat_template), _options(config)
        return cls(config.model, folder, options, seed if options.seed is None else options.seed)

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation, together with the others that wait.

        Raises:
            CompletionError: the prompt is longer than the model's context; it is never cut.
            InputError: the weights or the chat template cannot be used.
        """
        start = time.perf_counter()
        let_through()
        with in_line(1 / (2 * self._options.max_batch_size)):  # one batch that is worked on, and one that waits
            completion = await asyncio.wrap_future(self._gatherer.submit(request))
        return completion.model_copy(update={"latency_s": time.perf_counter() - start})

    async def close(self) -> None:
        """Ends the worker thread and frees the weights; the next request loads them again."""
        await asyncio.to_thread(self._gatherer.close)
        self._engine = None

    def _work(self, jobs: Sequence[Job[ChatRequest, Completion]]) -> None:
        from cowest.models.providers._local_engine import Engine

        if self._engine is None:
            progress.say(f"loading the model {self.name}", about=f"loading {self.name}")
            self._engine = Engine(
                self.name, self._folder, self._dtype, self._device, self._seed, with_logprobs=self._options.logprobs
            )
        same: defaultdict[ChatRequest, list[Job[ChatRequest, Completion]]] = defaultdict(list)
        for job in jobs:
            same[_what_decides(job.item)].append(job)
        rows = []
        for request, its_jobs in same.items():
            try:
                rows.append(self._engine.row(request))
            except CowestError as error:
                for job in its_jobs:
                    job.result.set_exception(error)
        # Like lengths together, so that little is padding, and the samples of one prompt side by side.
        rows.sort(key=lambda row: (len(row.prompt), row.prompt))
        for start in range(0, len(rows), self._options.max_batch_size):
            batch = rows[start : start + self._options.max_batch_size]
            waiting = [job for row in batch for job in same[row.request]]
            completions = self._engine.complete(batch, functools.partial(_is_any_wanted, waiting))
            for row, completion in zip(batch, completions, strict=True):
                for job in same[row.request]:
                    job.result.set_result(completion)


def _is_any_wanted(jobs: Sequence[Job[ChatRequest, Completion]]) -> bool:
    return any(job.result.is_wanted for job in jobs)


def _what_decides(request: ChatRequest) -> ChatRequest:
    """`request` without what has no influence on the reply, so that equal work is found and done once."""
    index = 0 if request.sampling.temperature == 0 else request.sample_index
    return request.model_copy(update={"sample_index": index, "prompt_version": ""})


def _best_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _options(config: ModelConfig) -> LocalOptions:
    try:
        return LocalOptions(**config.options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = sorted(LocalOptions.model_fields)
        near = plugins.nearest(name, known) if first["type"] == "extra_forbidden" else ""
        raise InputError(
            f"options.{name} of {config.model!r}: {first['msg']}, got {first['input']!r}.{near} "
            f"Options of a local model: {', '.join(known)}."
        ) from error


PLUGIN = LocalModel
