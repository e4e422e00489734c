"""Loads the gate that `cowest gate` learned, and checks that it was learned for this pair."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.gating.calibration import RESULT, made_for, unmet
from cowest.gating.config import GateConfig
from cowest.models import ModelConfig
from cowest.records import GateResults, Policy
from cowest.records.inputs import differences


class LoadedGate(NamedTuple):
    """A policy, and a note for the user if it misses its target."""

    policy: Policy
    note: str | None


def load_gate(
    config: GateConfig, folder: Path, pair: Collaboration, models: Mapping[str, ModelConfig]
) -> LoadedGate | None:
    """Reads a gate.

    Args:
        config: the recipe's section.
        folder: of the gate, in the run's folder.
        pair: the models between which it decides.
        models: the recipe's sections "weak" and "strong".

    Returns:
        None where both models always answer.

    Raises:
        InputError: the gate was not calibrated yet, or for another pair or with other prompts, prices or targets.
    """
    if config.kind == "always":
        return None
    path = folder / RESULT
    advice = "Run `cowest gate` with this recipe (calls that were made before are not paid for again)"
    if not path.is_file():
        raise InputError(f"serve.gate is `calibrated`, but {str(path)!r} does not exist. {advice}.")
    try:
        result = GateResults.read(path)
    except InputError as error:
        raise InputError(f"{error} {advice}.") from error
    if changed := differences(result.made_for, made_for(pair, config, models)):
        raise InputError(
            f"The gate in {str(path)!r} was calibrated for something else: {'; '.join(changed)}. {advice}, or serve "
            "with serve.gate=always."
        )
    return LoadedGate(result.policy, None if result.met else f"the gate's target is not met: {unmet(result)}")
