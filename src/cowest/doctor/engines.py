"""Checks of servers that a run starts: the engine says its version, and no two roles claim the same GPU."""

from collections.abc import Iterator, Mapping

from cowest import words
from cowest.doctor.check import FINE, NOTICE, Check
from cowest.engines import EngineConfig, engine_version
from cowest.engines.gpus import places
from cowest.models import ModelConfig
from cowest.pipeline import RLWF, Pipeline


def check_engine(role: str, config: ModelConfig) -> Check:
    """The finding on the engine of one role; its version command is run, and no server is started.

    Raises:
        InputError: the command does not exist, or does not say a version in time.
    """
    settings = config.vllm or EngineConfig()
    version, gpus = engine_version(settings), places(settings)
    named = "; ".join(f"GPU {', '.join(each)}" for each in gpus if each) or "no GPU was found"
    servers = words.plural(len(gpus), "server")
    return Check(FINE, f"{role}: the engine {settings.command[0]} is version {version}; {servers} ({named})")


def check_sharing(pipeline: Pipeline, configs: Mapping[str, ModelConfig]) -> Iterator[Check]:
    """Notices where GPUs are claimed twice; `configs` are the models of a run by role."""
    used: dict[str, str] = {}
    for role, config in configs.items():
        # The base and the SFT model of one role take turns.
        if not config.is_served or role == "weak before SFT":
            continue
        for gpu in (gpu for place in places(config.vllm or EngineConfig()) for gpu in place):
            if gpu in used:
                yield Check(
                    NOTICE,
                    f"{used[gpu]} and {role} both start a server on GPU {gpu}, and an engine claims nearly all of its "
                    "memory. Give them different vllm.gpus, or less memory each: vllm.args: "
                    "[--gpu-memory-utilization, '0.4']",
                )
                break
            used[gpu] = role
    if configs["weak"].is_served and pipeline.recipe.feedback.kind == RLWF:
        yield Check(
            NOTICE,
            "rlwf computes its reward in this process, next to the servers that draft. Leave it memory: "
            "weak.vllm.args: [--gpu-memory-utilization, '0.5']",
        )
