"""A stage's figures, sent to TensorBoard, trackio, W&B or MLflow through accelerate's trackers."""

import contextlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from cowest import distributed
from cowest.errors import InputError

TrackerName = Literal["tensorboard", "trackio", "wandb", "mlflow"]
Log = Callable[[Mapping[str, float | None], int], None]
"""Sends named figures that belong to a step; figures that are None are left out."""

PROJECT = "cowest"
"""The project or experiment that runs belong to, where neither WANDB_PROJECT nor MLFLOW_EXPERIMENT_NAME names one."""

_NEEDED = ("accelerate", "torch")
"""Packages that every tracker needs besides its own, which has its name."""


_KEPT_BACK = ("base_url", "options", "command")
"""Keys of a recipe that may hold an internal address, or a secret that somebody wrote there."""


class Trackers:
    """The trackers of one run. Each stage is a run of its own there, named `RUN/STAGE`, in a group named after the run.

    A tracker that fails is reported once and left out from then on: it never ends a run.

    Args:
        names: which trackers; none means that nothing is sent.
        run: the name of the run.
        folder: for the trackers that write files; made when something is written.
        settings: of the run, nested; sent once a stage under dotted names, without addresses and options of providers.
        say: called with one line where a tracker fails.
    """

    def __init__(
        self,
        names: Sequence[TrackerName],
        *,
        run: str,
        folder: Path,
        settings: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:
        self._names = list(dict.fromkeys(names))
        self._run = run
        self._folder = folder
        self._settings = settings
        self._say = say

    def check(self) -> None:
        """Checks that the packages of all trackers are installed.

        Raises:
            InputError: one is not.
        """
        for name in self._names:
            missing = [package for package in (name, *_NEEDED) if importlib.util.find_spec(package) is None]
            if missing:
                raise InputError(
                    f"report_to names {name}, and {', '.join(missing)} is not installed. "
                    f"Install it with: pip install {name} 'cowest[train]', or take {name} out of report_to."
                )

    @contextlib.contextmanager
    def stage(self, stage: str) -> Iterator[Log]:
        """Opens every tracker for a stage and closes it at the end; yields the function that sends figures."""
        opened: dict[str, Any] = {}
        if distributed.is_main_process():
            for chosen in self._names.copy():
                with self._left_out_if_it_fails(chosen, opened):
                    tracker = _make(chosen, stage, self._run, self._folder)
                    opened[chosen] = tracker
                    tracker.start()
                    if chosen != "tensorboard":  # whose hyperparameters become a run of their own in its list
                        tracker.store_init_configuration(_flat(self._settings))

        def log(figures: Mapping[str, float | None], step: int) -> None:
            values = {key: value for key, value in figures.items() if value is not None}
            for name, tracker in list(opened.items()):
                with self._left_out_if_it_fails(name, opened):
                    tracker.log(values, step=step)

        try:
            yield log
        finally:
            for name, tracker in list(opened.items()):
                with self._left_out_if_it_fails(name, opened):
                    tracker.finish()

    @contextlib.contextmanager
    def _left_out_if_it_fails(self, name: str, opened: dict[str, Any]) -> Iterator[None]:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for results, such as --json
                yield
        # Whatever a tracker's library raises: a wrong key, no network, a full disk.
        except Exception as error:
            opened.pop(name, None)
            self._names = [other for other in self._names if other != name]
            reason = str(error).strip().splitlines() or [""]
            self._say(f"report_to: {name} failed and is left out: {type(error).__name__}: {reason[0]}")


def _make(name: str, stage: str, run: str, folder: Path) -> Any:
    from accelerate import tracking

    named = f"{run}/{stage}"
    folder.mkdir(parents=True, exist_ok=True)
    if name == "tensorboard":
        logging.getLogger("tensorboard").setLevel(logging.WARNING)
        return tracking.TensorBoardTracker(stage, folder / "tensorboard")
    if name == "trackio":
        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        quiet = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
        return tracking.TrackioTracker(project, name=named, group=run, resume="allow", **quiet)
    if name == "wandb":
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        return tracking.WandBTracker(project, name=named, group=run, dir=str(folder), settings={"silent": True})
    import mlflow

    if not (mlflow.is_tracking_uri_set() or os.environ.get("MLFLOW_TRACKING_URI")):
        mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').resolve()}")
    return tracking.MLflowTracker(PROJECT, logging_dir=(folder / "mlflow").resolve().as_uri(), run_name=named)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str | float | int | bool]:
    flat: dict[str, str | float | int | bool] = {}
    for key, value in settings.items():
        if key in _KEPT_BACK:
            continue
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, (str, int, float, bool)):
            flat[prefix + key] = value
        elif value is not None:
            flat[prefix + key] = str(value)
    return flat
