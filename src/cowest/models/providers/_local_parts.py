"""A batch on a CPU: decoded in parts, each on a thread of its own.

Threads that share every operation wait for each other at its end, longest where another program has one of the cores.
Parts meet only when the batch is done, and a core whose part is done takes one of another model's batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from cowest import cpu_threads
from cowest.models.providers._local_decoding import Row
from cowest.models.providers._local_prefixes import rows_of_groups

_MIN_ROWS = 8  # of a part: below them reading the weights takes longer than the arithmetic
_MAX_PARTS = 4  # beyond them the parts wait for the interpreter

_cores = cpu_threads.Cores()


wait_for_a_core = _cores.wait_for_one


def decode_in_parts(
    decode: Callable[[Sequence[Row], Callable[[], bool]], None],
    rows: Sequence[Row],
    is_wanted: Callable[[], bool],
    *,
    small_model: bool,
) -> None:
    """Decodes `rows` on all of the CPU's threads; rows with the same prompt stay together.

    Args:
        small_model: a part has one thread, however many there are.

    Raises:
        Exception: what `decode` raised for a part, once all parts have ended.
    """
    num_threads = cpu_threads.available()
    parts = _parts(rows, max(1, min(num_threads, _MAX_PARTS, len(rows) // _MIN_ROWS)))
    threads_each = 1 if small_model else num_threads // len(parts)

    def decode_part(part: Sequence[Row]) -> None:
        with _cores.taken(threads_each):
            decode(part, is_wanted)

    if len(parts) == 1:
        decode_part(rows)
        return
    with ThreadPoolExecutor(len(parts)) as threads:
        futures = [threads.submit(decode_part, part) for part in parts]
    for future in futures:
        future.result()


def _parts(rows: Sequence[Row], num_parts: int) -> list[list[Row]]:
    """At most `num_parts` parts of about as many rows each; prompts that begin alike stay together in small groups."""
    parts: list[list[Row]] = [[] for _ in range(num_parts)]
    for group in rows_of_groups(rows):
        together: list[Row] = []
        for of_prompt in group:
            together += of_prompt
            if len(together) >= _MIN_ROWS or of_prompt is group[-1]:
                min(parts, key=len).extend(together)
                together = []
    return [part for part in parts if part]
