"""Drafting with one local model, as work for an engine: in this process, or in another one on any node of a cluster."""

import functools
import socket
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cowest.errors import CowestError, InputError
from cowest.models.providers import _local_weights
from cowest.models.providers._local_batching import Job
from cowest.models.providers._local_prefixes import rows_of_groups
from cowest.types import ChatRequest, Completion

if TYPE_CHECKING:
    from cowest.models.providers._local_decoding import Row
    from cowest.models.providers._local_engine import Engine


@dataclass(frozen=True)
class Drafting:
    """Which model drafts, and how. What an engine needs to know, so that it is sent to other processes.

    Attributes:
        name: of the model, for messages.
        files: hash of the files in `folder`.
        dtype: of weights and arithmetic.
        seed: of all sampling.
        max_batch_size: rows decoded at once.
    """

    name: str
    folder: _local_weights.ModelFolder
    files: str
    dtype: str
    device: str
    seed: int
    with_logprobs: bool
    max_batch_size: int

    @property
    def identity(self) -> str:
        """What decides a reply besides the request."""
        return f"{self.files}|{_local_weights.arithmetic(self.dtype)}|seed {self.seed}"

    def load(self) -> "Engine":
        """Loads the model.

        Raises:
            InputError: it cannot be loaded.
        """
        from cowest.models.providers._local_engine import Engine

        return Engine(self.name, self.folder, self.dtype, self.device, self.seed, with_logprobs=self.with_logprobs)

    def open(self) -> Callable[[Sequence[ChatRequest]], list[Completion | CowestError]]:
        """Loads the model in an engine's process on any node.

        Raises:
            InputError: this node does not have the model, or has another one at its place.
        """
        places = [place for place in (self.folder.base, self.folder.adapter, self.folder.tokenizer) if place]
        for place in places:
            if not place.is_dir():
                raise InputError(
                    f"The node {socket.gethostname()!r} does not have {str(place)!r}, which {self.name!r} needs. All "
                    "nodes need the models and the run's folder at the same paths, e.g. on a shared file system."
                )
        if self.folder.identity() != self.files:
            raise InputError(
                f"The node {socket.gethostname()!r} has other files of {self.name!r} than this machine, in "
                f"{str(places[0])!r}. Copy the same files to all nodes, or use a shared file system."
            )
        return functools.partial(_complete, self.load(), self.max_batch_size)


def work_off(engine: "Engine", jobs: Sequence[Job[ChatRequest, Completion]], max_batch_size: int) -> None:
    """Completes all jobs in batches; equal work is done once."""
    same: defaultdict[ChatRequest, list[Job[ChatRequest, Completion]]] = defaultdict(list)
    for job in jobs:
        same[_what_decides(job.item)].append(job)
    rows = []
    for request, its_jobs in same.items():
        try:
            rows.append(engine.row(request))
        except CowestError as error:
            for job in its_jobs:
                job.result.set_exception(error)
    rows = _in_order(rows)
    for start in range(0, len(rows), max_batch_size):
        batch = rows[start : start + max_batch_size]
        waiting = [job for row in batch for job in same[row.request]]
        completions = engine.complete(batch, functools.partial(_is_any_wanted, waiting))
        for row, completion in zip(batch, completions, strict=True):
            for job in same[row.request]:
                job.result.set_result(completion)


def _in_order(rows: Sequence["Row"]) -> list["Row"]:
    """Rows of one prompt side by side, then prompts that begin alike, and those of like lengths: little is padding."""
    groups = [sorted(group, key=_length_and_prompt) for group in rows_of_groups(rows)]
    groups.sort(key=lambda group: _length_and_prompt(group[-1]))
    return [row for group in groups for of_prompt in group for row in of_prompt]


def _length_and_prompt(of_prompt: Sequence["Row"]) -> tuple[int, tuple[int, ...]]:
    return len(of_prompt[0].prompt), of_prompt[0].prompt


def _complete(engine: "Engine", max_batch_size: int, requests: Sequence[ChatRequest]) -> list[Completion | CowestError]:
    jobs: list[Job[ChatRequest, Completion]] = [Job(request) for request in requests]
    try:
        work_off(engine, jobs, max_batch_size)
    except CowestError as error:
        for job in jobs:
            if not job.result.done():
                job.result.set_exception(error)
    return [_outcome(job) for job in jobs]


def _outcome(job: Job[ChatRequest, Completion]) -> Completion | CowestError:
    error = job.result.exception()
    if error is None:
        return job.result.result()
    if isinstance(error, CowestError):
        return error
    raise error


def _is_any_wanted(jobs: Sequence[Job[ChatRequest, Completion]]) -> bool:
    return any(job.result.is_wanted for job in jobs)


def _what_decides(request: ChatRequest) -> ChatRequest:
    """`request` without what has no influence on the reply, so that equal work is found and done once."""
    index = 0 if request.sampling.temperature == 0 else request.sample_index
    return request.model_copy(update={"sample_index": index, "prompt_version": ""})
