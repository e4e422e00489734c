"""How long each stage takes on a recipe's engines and endpoints, its GPU hours, and what it waits for most.

An engine writes as many tokens a second as the recipe says (`tokens_per_second`); nothing is assumed where it says
nothing. A stage takes as long as the slowest of its engines and endpoints, which work at the same time, and holds the
GPUs of all its engines until it ends. A training takes as long for each row as the last one of its kind in this run.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel

from cowest import words
from cowest.engines import EngineConfig
from cowest.engines.gpus import places, visible_gpus
from cowest.errors import InputError
from cowest.models import ModelConfig
from cowest.pipeline import Pipeline
from cowest.planning.spend import Spend, endpoint_s
from cowest.records import TrainingRecord

IN_THIS_PROCESS = "this process"


class StageTime(BaseModel):
    """The time of a stage.

    Attributes:
        wall_s: seconds; None where they are not known.
        gpu_hours: GPUs that the stage holds, times its hours; None where these are not known.
        bottleneck: what takes the longest, in words; empty where only one thing is done, or times are not known.
    """

    wall_s: float | None
    gpu_hours: float | None
    bottleneck: str = ""


class _Engines(NamedTuple):
    """Engines that models share: in this process, on a cluster, or the servers of one model."""

    name: str
    number: int
    num_gpus: int


class Hours:
    """The times of a recipe's stages.

    Args:
        pipeline: of the recipe.
        configs: its models by role.
    """

    def __init__(self, pipeline: Pipeline, configs: Mapping[str, ModelConfig]) -> None:
        self._pipeline = pipeline
        self._configs = configs
        cluster = _cluster_engines(pipeline)
        self._engines = {role: _engines_of(config, cluster) for role, config in configs.items()}

    @property
    def are_told(self) -> bool:
        """Whether there is something to say: a speed, a GPU, servers, or a cluster."""
        engines = [each for each in self._engines.values() if each is not None]
        return any(config.tokens_per_second or config.is_served for config in self._configs.values()) or any(
            each.num_gpus or each.name != IN_THIS_PROCESS for each in engines
        )

    @property
    def without_speed(self) -> list[str]:
        """The roles whose engines' speed is not known."""
        return [
            role
            for role, config in self._configs.items()
            if self._engines[role] is not None and config.tokens_per_second is None
        ]

    def of_calls(self, spends: Mapping[str, Spend], latency_s: float) -> StageTime:
        """The time of a stage that calls models.

        Args:
            spends: of the stage, by role.
            latency_s: of a call to an endpoint.
        """
        seconds: dict[str, float | None] = {
            f"the endpoint of {', '.join(roles)}": took
            for roles, took in endpoint_s(spends, self._configs, latency_s).items()
        }
        engines: dict[_Engines, list[str]] = {}
        for role, spend in spends.items():
            used = self._engines[role]
            if used is not None and spend.calls:
                engines.setdefault(used, []).append(role)
        for used, roles in engines.items():
            each = [self._drafting_s(self._configs[role], spends[role], used.number) for role in roles]
            known = [took for took in each if took is not None]
            seconds[f"{used.name} ({', '.join(roles)})"] = sum(known) if len(known) == len(each) else None
        num_gpus = sum(used.num_gpus for used in engines)
        if None in seconds.values():
            return StageTime(wall_s=None, gpu_hours=None if num_gpus else 0.0)
        took = {name: each for name, each in seconds.items() if each is not None}
        wall_s = max(took.values(), default=0.0)
        slowest = max(took, key=lambda name: took[name], default="")
        return StageTime(
            wall_s=wall_s, gpu_hours=num_gpus * wall_s / 3600, bottleneck=slowest if len(took) > 1 and wall_s else ""
        )

    @staticmethod
    def _drafting_s(config: ModelConfig, spend: Spend, num_engines: int) -> float | None:
        if config.tokens_per_second is None:
            return None
        return spend.usage.completion_tokens / (config.tokens_per_second * num_engines)

    def of_training(self, stage: str, num_rows: int) -> StageTime:
        """The time of a training of this run, by one that it has ended.

        Args:
            stage: "sft" or "align".
            num_rows: that are trained on.
        """
        folder = self._pipeline.folder
        rounds = range(1, self._pipeline.recipe.rounds + 1)
        folders = [folder.sft] if stage == "sft" else [folder.align(number) for number in rounds]
        ended = [TrainingRecord.read(each / "training.json") for each in folders if (each / "training.json").is_file()]
        measured = [each for each in ended if each.wall_s is not None and each.num_rows]
        if not measured:
            return StageTime(wall_s=None, gpu_hours=None)
        last = measured[-1]
        wall_s = (last.wall_s or 0.0) * num_rows / (last.num_rows or 1)
        num_gpus = (last.num_processes or 1) if (last.device or "").startswith("cuda") else 0
        return StageTime(wall_s=wall_s, gpu_hours=num_gpus * wall_s / 3600)


def _engines_of(config: ModelConfig, cluster: _Engines | None) -> _Engines | None:
    """The engines of a local model; None for one behind an endpoint."""
    if config.provider != "local":
        return None
    if not config.is_served:
        return cluster or _Engines(IN_THIS_PROCESS, 1, 1 if visible_gpus() else 0)
    gpus = places(config.vllm or EngineConfig())
    on = f" on GPU {'; '.join(', '.join(each) for each in gpus)}" if any(gpus) else ""
    return _Engines(f"{words.plural(len(gpus), 'server')}{on}", len(gpus), sum(map(len, gpus)))


def _cluster_engines(pipeline: Pipeline) -> _Engines | None:
    try:
        cluster = pipeline.context.cluster
    except InputError:
        return None  # the plan says why it cannot be used
    if cluster is None:
        return None
    count = len(cluster.places)
    return _Engines(f"{words.plural(count, 'engine')} of the cluster", count, count * (cluster.device == "cuda"))
