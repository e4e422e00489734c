"""The recipe's section for a model on servers that the run starts: the command, where it runs, and its time limits."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from cowest.types import Record

Gpu = Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^[\w:./-]+$")]
"""As in CUDA_VISIBLE_DEVICES: a number, or the id of a GPU or of a part of one."""


class EngineConfig(Record):
    """Servers of vLLM, or of another engine with its interface, which a run starts and ends itself.

    Attributes:
        command: starts a server, e.g. `[/opt/vllm/bin/vllm, serve]`. vLLM's arguments are added, unless the command has
            placeholders such as `{model}` and `{port}`: then it is taken as it is. See docs/engines.md.
        args: further arguments, e.g. `[--gpu-memory-utilization, "0.85"]`.
        adapter_args: arguments for a model with adapters.
        adapter_model: how a request names the model for an adapter; SGLang's is `"{name}:{adapter}"`.
        version_command: prints the engine's version; None is `command` up to `serve`, with `--version`.
        gpus: GPUs to use, one server for each entry; an entry that is a list is one server on several GPUs. None is
            every GPU that this process sees.
        ports: first and last port that servers may listen at, on loopback; None takes free ones.
        start_timeout_s: seconds until a server that is not healthy counts as failed.
        stop_timeout_s: seconds from SIGTERM to SIGKILL.
        max_lora_rank: None is the largest rank of the adapters.
        load_at_runtime: whether an adapter is loaded into running servers, rather than by starting them again. vLLM
            calls this insecure where others reach its port.
    """

    command: tuple[str, ...] = Field(default=("vllm", "serve"), min_length=1)
    args: tuple[str, ...] = ()
    adapter_args: tuple[str, ...] = (
        *("--enable-lora", "--lora-modules", "{adapters}"),
        *("--max-lora-rank", "{max_lora_rank}", "--max-loras", "{num_adapters}"),
    )
    adapter_model: str = "{adapter}"
    version_command: tuple[str, ...] | None = Field(default=None, min_length=1)
    gpus: tuple[Gpu | tuple[Gpu, ...], ...] | None = Field(default=None, min_length=1)
    ports: tuple[int, ...] | None = Field(default=None, min_length=2, max_length=2)
    start_timeout_s: float = Field(default=900, gt=0, allow_inf_nan=False)
    stop_timeout_s: float = Field(default=20, gt=0, allow_inf_nan=False)
    max_lora_rank: int | None = Field(default=None, ge=1)
    load_at_runtime: bool = False

    @model_validator(mode="after")
    def _ports_are_a_range(self) -> Self:
        if self.ports is not None and not 1 <= self.ports[0] <= self.ports[1] <= 65535:
            raise ValueError(f"ports are the first and the last, between 1 and 65535; given {list(self.ports)}")
        return self

    @model_validator(mode="after")
    def _gpus_are_used_once(self) -> Self:
        used = [str(gpu) for places in self.gpus or () for gpu in _flat(places)]
        if len(used) != len(set(used)):
            raise ValueError(f"gpus names a GPU twice: {', '.join(used)}. Each server has its own")
        if any(place == () for place in self.gpus or ()):
            raise ValueError("gpus has an empty entry; each is a GPU, or a list of the GPUs of one server")
        return self

    def places(self) -> list[tuple[str, ...]] | None:
        """The GPUs of each server; None where all visible ones are meant."""
        return None if self.gpus is None else [tuple(map(str, _flat(place))) for place in self.gpus]


def _flat(place: Gpu | tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    return place if isinstance(place, tuple) else (place,)
