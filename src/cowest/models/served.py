"""Local models on servers that the run starts and ends itself: `engine: vllm`."""

import hashlib
import json
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field

from cowest import model_folders
from cowest.checking import check
from cowest.concurrency import in_line, let_through
from cowest.engines import Adapter, Deployment, EngineConfig, Fleet, Group, Slot, User, engine_version
from cowest.engines.command import request_model, settings_identity
from cowest.errors import BrokenReplyError, InputError, TransientEndpointError
from cowest.models.base import BaseChatModel, Json
from cowest.models.config import ModelConfig
from cowest.models.providers import _local_weights
from cowest.models.providers._openai_reply import Counted, counted
from cowest.models.providers.openai import OpenAIModel
from cowest.types import ChatRequest, Completion, Record, Usage

_AT_ONCE = 256
"""Calls that a server works on at once, vLLM's own limit where --max-num-seqs does not set another."""

_CONNECTIONS = 1024
"""To one server, which queues what it cannot work on yet."""

_WHOLE_DISTRIBUTION = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Engines take defaults for these from generation_config.json; the engine in this process has none of them."""


class ServedOptions(Record):
    """`options` of a local model on servers.

    Attributes:
        dtype: of weights and activations.
        logprobs: whether completions carry `token_logprobs` and `tokens`.
        seed: of sampling; None is the recipe's.
    """

    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    logprobs: bool = True
    seed: int | None = Field(default=None, ge=0)


class ServedModel(BaseChatModel):
    """A model of which servers are started at the first request, and ended by `close`.

    A reply depends on weights, adapter, request and seed as far as the engine keeps its promises: each request carries
    a seed of its own, but what else is in a batch can tip a choice. Replies that are in the ledger do not change.

    Args:
        config: the recipe's section.
        user: what it needs of the servers.
        group: of its role.
        identity: weights, adapter, engine, dtype and seed.
        options: of the recipe's section.
        seed: of sampling.
    """

    in_process = True  # on this machine and for this run alone: no limits, no price

    def __init__(
        self, config: ModelConfig, user: User, group: Group, identity: str, options: ServedOptions, seed: int
    ) -> None:
        self.name = config.model
        self.identity = identity
        self._config = config
        self._user = user
        self._group = group
        self._options = options
        self._seed = seed
        self._clients: dict[str, _Client] = {}
        group.register(user)

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int, role: str, fleet: Fleet) -> Self:
        """Checks that the model and the engine are there; starts nothing but the engine's version command.

        Raises:
            InputError: no such folder, a file missing, a wrong option, or an engine that cannot be run.
        """
        options = check(ServedOptions, config.options, f"options of {config.model!r} with engine: {config.engine}")
        if options.seed is not None:
            seed = options.seed
        settings = config.vllm or EngineConfig()
        folder = _local_weights.find(config.model_name, config.chat_template)
        if folder.quantize is not None:
            raise InputError(
                f"{config.model!r} was trained over weights in {folder.quantize}, and engine: {config.engine} would "
                "put its adapter on the whole weights: another model. Use engine: transformers, or export the run with "
                "--merged and serve that."
            )
        version = engine_version(settings)
        deployment = Deployment(
            name=f"cowest-{replace(folder, adapter=None).identity()[:16]}",
            model=folder.base,
            tokenizer=folder.tokenizer,
            chat_template=folder.chat_template,
            dtype=options.dtype,
            seed=seed,
            version=version,
        )
        parts = [folder.identity(), f"{config.engine} {version}", settings_identity(settings), options.dtype]
        identity = "|".join([*(part for part in parts if part), f"seed {seed}"])
        user = User(deployment, _adapter(folder))
        return cls(config, user, fleet.group(role, settings), identity, options, seed)

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation; where its server dies meanwhile, it is asked again of one that lives.

        Raises:
            CompletionError: the request got no usable reply, for instance since its prompt is too long.
            TransientEndpointError: the server failed and lives.
            EndpointError: the servers cannot be started, or one has died twice.
            InputError: the engine cannot be run.
        """
        let_through()
        with in_line(1 / (2 * _AT_ONCE * self._group.num_servers)):  # calls that are worked on, and as many that wait
            while True:
                async with self._group.lease(self._user) as slot:
                    generation = slot.generation
                    try:
                        return await self._client(slot).complete(request)
                    except (TransientEndpointError, BrokenReplyError):
                        if not await self._group.has_died(slot, generation):
                            raise

    async def close(self) -> None:
        """Ends the servers, unless another open model is on them; the next request starts them again."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()
        self._group.release(self._user)

    def _client(self, slot: Slot) -> "_Client":
        url = slot.server.url
        client = self._clients.get(url)
        if client is None or client.key != slot.server.key:
            model = request_model(self._group.config, self._user.deployment, self._user.adapter)
            config = ModelConfig(
                model=f"openai/{model}",
                base_url=url,
                timeout_s=self._config.timeout_s,
                max_concurrency=_CONNECTIONS,
                options=_WHOLE_DISTRIBUTION | ({"logprobs": True} if self._options.logprobs else {}),
            )
            client = self._clients[url] = _Client(config, slot.server.key, self._seed)
        return client


class _Client(OpenAIModel):
    """Calls one server: each request with a seed of its own, and at no price."""

    def __init__(self, config: ModelConfig, key: str, seed: int) -> None:
        super().__init__(config, key)
        self.key = key
        self._seed = seed

    def _body(self, request: ChatRequest) -> Json:
        body = super()._body(request) | {"seed": request_seed(request, self._seed)}
        body.setdefault("top_p", 1.0)
        return body

    def _completion(self, reply: object, latency_s: float, *, batch: bool = False) -> Completion:
        # Unlike an endpoint's, an empty reply is a reply: it is what the model sampled.
        if (reason := _why_empty(reply)) is not None and isinstance(reply, dict):
            read = counted(reply.get("usage"))
            usage = read.usage if read else Usage()
            return Completion(text="", finish_reason=reason, usage=usage, latency_s=latency_s, cost_usd=0.0)
        return super()._completion(reply, latency_s, batch=batch)

    def _cost_usd(self, counted: Counted | None, model: str, *, batch: bool = False) -> float | None:
        return 0.0


def request_seed(request: ChatRequest, seed: int) -> int:
    """The seed of one sample, decided by seed, messages, sampling and sample index alone; below 2**31."""
    body = request.model_dump(mode="json", include={"messages", "sampling", "sample_index"})
    digest = hashlib.sha256(json.dumps([seed, body], sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _adapter(folder: _local_weights.ModelFolder) -> Adapter | None:
    if folder.adapter is None:
        return None
    digest = model_folders.identity([folder.adapter])
    rank = model_folders.adapter_settings(folder.adapter).get("r")
    return Adapter(f"adapter-{digest[:16]}", folder.adapter, rank if isinstance(rank, int) else 0)


def _why_empty(reply: Any) -> str | None:
    """The finish reason of a whole reply that holds no text at all; None for every other one."""
    try:
        choice = reply["choices"][0]
        is_empty, reason = choice["message"]["content"] in ("", None), str(choice["finish_reason"])
        return reason if is_empty and reason in ("stop", "length") else None
    except (KeyError, IndexError, TypeError):
        return None
