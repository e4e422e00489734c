"""Checks of a recipe's models: they can be opened, and their endpoints answer, accept the key and have the model."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from cowest import model_folders, synchronous, words
from cowest.doctor.check import FAULT, FINE, NOTICE, Check
from cowest.doctor.engines import check_engine, check_sharing
from cowest.doctor.machine import nearest_existing
from cowest.errors import EndpointError, InputError
from cowest.models import Metered, ModelConfig, load_model
from cowest.pipeline import Pipeline
from cowest.plugins import nearest

MAX_NAMES = 20
"""Of an endpoint's models that are named."""


def check_models(pipeline: Pipeline) -> Iterator[Check]:
    """Opens every model without a paid call, and asks endpoints which models they have."""
    recipe, weak = pipeline.recipe, pipeline.context.weak
    configs = {"weak": weak.before_feedback(), "strong": recipe.strong}
    if weak.has_base and recipe.sft.from_ is not None:
        configs["weak before SFT"] = weak.base
    configs |= {role: judge for role, judge in recipe.judge_models().items() if isinstance(judge, ModelConfig)}
    if recipe.feedback.labeller is not None:
        configs["labeller"] = recipe.feedback.labeller
    try:
        weak.check_adapter()
    except InputError as error:
        yield Check(FAULT, f"sft.from: {error}")
    for role, config in configs.items():
        try:
            if config.provider == "local" and (download := _check_download(config.model_name)):
                yield Check(download.mark, f"{role}: {config.model} {download.line}")
                continue
            model = load_model(config, role=role, fleet=pipeline.context.fleet)
            where = f" at {config.where}" if config.where else ""
            yield Check(FINE, f"{role}: {config.model}{where} can be opened (nothing was sent)")
            if config.is_served:
                yield check_engine(role, config)
            if len(config.at_each_endpoint) == 1:
                yield from _check_endpoint(role, config, model)
                continue
            for one in config.at_each_endpoint:
                yield from _check_endpoint(f"{role} at {one.base_url}", one, load_model(one, role=role))
        except InputError as error:
            yield Check(FAULT, f"{role}: {error}")
    yield from check_sharing(pipeline, configs)


def _check_download(location: str) -> Check | None:
    """The finding on a model that must be downloaded, which doctor does not do; None where it is on this machine."""
    num_bytes = model_folders.bytes_to_download(location)
    if not num_bytes:
        return None
    from huggingface_hub.constants import HF_HUB_CACHE

    free_gb, size_gb = shutil.disk_usage(nearest_existing(Path(HF_HUB_CACHE))).free / 1e9, num_bytes / 1e9
    line = f"is not on this machine; the stage that opens it first downloads {size_gb:.1f} GB (nothing was fetched now)"
    if free_gb > size_gb:
        return Check(NOTICE, line)
    advice = "Free some space, or set HF_HOME to another disk"
    return Check(FAULT, f"{line}, and {HF_HUB_CACHE!r} has {free_gb:.1f} GB free. {advice}")


def _check_endpoint(role: str, config: ModelConfig, model: Metered) -> Iterator[Check]:
    """Asks an endpoint for its list of models, which tests the address and the key for free."""

    async def ask() -> list[str] | None:
        try:
            return await model.listed_models()
        finally:
            await model.close()

    try:
        listed = synchronous.run(ask())
    except EndpointError as error:
        yield Check(FAULT, f"{role}: {error}")
        return
    if listed is None:
        return
    if not listed:
        yield Check(NOTICE, f"{role}: the endpoint answers, but does not say which models it has")
    elif not {config.model_name, f"{config.model_name}:latest"} & {*listed}:  # Ollama takes a name without its tag
        shown = ", ".join(map(repr, listed[:MAX_NAMES])) + (", ..." if len(listed) > MAX_NAMES else "")
        yield Check(
            FAULT,
            f"{role}: the endpoint has no model {config.model_name!r}.{nearest(config.model_name, listed)} "
            f"It has {words.plural(len(listed), 'model')}: {shown}.",
        )
    else:
        yield Check(FINE, f"{role}: the endpoint answers, takes the key and has the model (no call was paid)")
