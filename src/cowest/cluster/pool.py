"""What models are to a pool of engines: work that is opened once on each, and items whose results come as futures."""

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from cowest.errors import CowestError

Item_contra = TypeVar("Item_contra", contravariant=True)
Result = TypeVar("Result")


class Work(Hashable, Protocol[Item_contra, Result]):
    """What an engine does with a batch, such as drafting with one model. Sent to other processes, so it is small."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def max_batch_size(self) -> int:
        """Items that an engine is given at once."""
        ...

    def open(self) -> Callable[[Sequence[Item_contra]], list[Result | CowestError]]:
        """Loads what it needs, in the engine's process.

        Returns:
            From items to their results in the same order; an error where only that item failed.

        Raises:
            InputError: it cannot be opened; another engine would fail the same way.
        """
        ...


class Pool(Protocol[Item_contra, Result]):
    """Engines that do one work. The local form is one engine in a thread of this process."""

    @property
    def num_engines(self) -> int:
        """How many work at the same time."""
        ...

    def submit(self, item: Item_contra) -> "Future[Result]":
        """Queues an item; its future belongs to no event loop."""
        ...

    def close(self) -> None:
        """Works off what is queued and frees the engines' memory; the next item takes it again."""
        ...
