"""All that can be checked before anything is spent: names, data, models, endpoints, machine, cluster."""

from collections.abc import Iterator

from cowest.doctor.check import FAULT, FINDINGS, FINE, NOTICE, Check
from cowest.doctor.cluster import check_cluster
from cowest.doctor.data import check_data
from cowest.doctor.machine import check_machine
from cowest.doctor.models import check_models
from cowest.errors import InputError
from cowest.pipeline import Pipeline
from cowest.pipeline.spending import check_spending

__all__ = ["FAULT", "FINDINGS", "FINE", "NOTICE", "Check", "diagnose"]


def diagnose(pipeline: Pipeline, num_shown: int | None) -> Iterator[Check]:
    """Runs every check, in the order in which a user would fix the findings.

    Args:
        num_shown: rows to name per kind of problem and split; None names all.
    """
    yield Check(FINE, "the recipe is valid")
    yield from _check_names(pipeline)
    yield from check_data(pipeline, num_shown)
    yield from check_models(pipeline)
    yield from check_machine(pipeline)
    yield from check_cluster(pipeline)


def _check_names(pipeline: Pipeline) -> Iterator[Check]:
    try:
        pipeline.check_names()
        check_spending(pipeline.recipe)
    except InputError as error:
        yield Check(FAULT, str(error))
        return
    yield Check(FINE, "format, feedback, methods and judge are known, and the prompts can be rendered")
    for warning in pipeline.context.provenance.unfenced():
        yield Check(NOTICE, warning)
