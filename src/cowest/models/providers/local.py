"""Models in this process: a folder or a hub id, with transformers. The weak model's home."""

import asyncio
import importlib.util
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationError

from cowest import heap, plugins, progress, quantization
from cowest.cluster import Cluster, Pool
from cowest.concurrency import in_line, let_through
from cowest.errors import InputError
from cowest.models.base import BaseChatModel
from cowest.models.config import ModelConfig
from cowest.models.providers import _local_weights
from cowest.models.providers._local_batching import Gatherer, Job
from cowest.models.providers._local_drafting import Drafting, work_off
from cowest.quantization import Quantization
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
        quantize: "nf4" holds the weights in 4 bits, which needs `pip install "cowest[nf4]"`; None is as an adapter was
            trained, and a full model as it is. For the weak model lora.quantize says it.
        seed: of sampling; None is the recipe's. A bench gives it to its strong models, whose replies its seeds share.
    """

    dtype: Literal["float32", "bfloat16", "float16", "float64"] | None = None
    max_batch_size: int = Field(default=64, ge=1)
    device: str | None = None
    logprobs: bool = True
    quantize: Quantization | None = None
    seed: int | None = Field(default=None, ge=0)


class LocalModel(BaseChatModel):
    """A model of transformers that completes conversations in batches.

    A reply is a function of weights, request and seed; `sample_index` tells samples apart. Requests that wait at the
    same time are decoded together, what prompts begin with alike is prefilled once, and equal greedy ones are decoded
    once. Weights are loaded at the first request. Unlike an endpoint's, an empty reply is a reply: it is what the
    model sampled.
    """

    in_process = True

    def __init__(
        self,
        name: str,
        folder: _local_weights.ModelFolder,
        options: LocalOptions,
        seed: int,
        cluster: Cluster | None = None,
    ) -> None:
        self.name = name
        self._made_from = (name, folder, options, seed)
        device = options.device or (_best_device() if cluster is None else cluster.device)
        self._drafting = Drafting(
            name=name,
            folder=folder,
            files=folder.identity(),
            dtype=options.dtype or ("bfloat16" if device.startswith("cuda") else "float32"),
            device=device,
            seed=seed,
            with_logprobs=options.logprobs,
            max_batch_size=options.max_batch_size,
        )
        self.identity = self._drafting.identity
        self._engine: Engine | None = None
        self._pool: Pool[ChatRequest, Completion] = (
            Gatherer(self._work, prepare=self._prepare, name=f"local model {name}")
            if cluster is None
            else cluster.pool(self._drafting)
        )
        if device == "cpu":
            heap.keep_freed_memory()

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks that the model is there; loads no weights yet.

        Raises:
            InputError: a package is not installed, no such folder, a file missing, or a wrong option.
        """
        if any(importlib.util.find_spec(package) is None for package in ("torch", "transformers")):
            raise InputError(
                f"{config.model!r} runs in this process, which needs torch and transformers. "
                "Run: pip install cowest[train] (or use a server: openai/NAME with base_url)."
            )
        options = _options(config)
        folder = _local_weights.find(config.model_name, config.chat_template, options.quantize)
        quantization.require(folder.quantize)
        if folder.quantize is not None and options.dtype == "float64":
            raise InputError(
                f"options.dtype of {config.model!r} is float64, and weights in {folder.quantize} cannot be used with "
                "it. Give float32, bfloat16 or float16, or leave it out."
            )
        return cls(config.model, folder, options, seed if options.seed is None else options.seed)

    def spread(self, cluster: Cluster) -> Self:
        """The same model on the engines of a cluster. Its device, where the options name none, is the engines'.

        Raises:
            InputError: the options name one GPU of several.
        """
        name, folder, options, seed = self._made_from
        if ":" in (options.device or ""):
            raise InputError(
                f"options.device of {name!r} is {options.device!r}, but on a cluster each engine has a GPU to itself. "
                "Write cuda, or leave it out."
            )
        return type(self)(name, folder.absolute(), options, seed, cluster)

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation, together with the others that wait.

        Raises:
            CompletionError: the prompt is longer than the model's context; it is never cut.
            InputError: the weights or the chat template cannot be used.
        """
        start = time.perf_counter()
        let_through()
        # One batch that each engine works on, and one that waits for it.
        with in_line(1 / (2 * self._drafting.max_batch_size * self._pool.num_engines)):
            completion = await asyncio.wrap_future(self._pool.submit(request))
        return completion.model_copy(update={"latency_s": time.perf_counter() - start})

    async def close(self) -> None:
        """Works off what is queued and frees the weights; the next request loads them again."""
        await asyncio.to_thread(self._pool.close)
        self._engine = None
        heap.give_back_memory()

    def _prepare(self) -> None:
        if self._engine is None:
            progress.say(f"loading the model {self.name}", about=f"loading {self.name}")
            self._engine = self._drafting.load()
        self._engine.wait_for_its_turn()

    def _work(self, jobs: Sequence[Job[ChatRequest, Completion]]) -> None:
        assert self._engine is not None
        work_off(self._engine, jobs, self._drafting.max_batch_size)


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
