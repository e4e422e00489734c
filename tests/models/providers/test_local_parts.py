import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError

import pytest
import torch

from cowest.models.providers._local_decoding import Row
from cowest.models.providers._local_parts import decode_in_parts
from cowest.types import ChatRequest

Ask = Callable[..., ChatRequest]


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Recorder:
    """Takes the place of a decoder: notes its parts, their threads and how many threads torch gives each."""

    def __init__(self, fails_on: int | None = None) -> None:
        self.parts: list[list[Row]] = []
        self.threads: list[tuple[int, int]] = []
        self._fails_on = fails_on
        self._lock = threading.Lock()

    def __call__(self, rows: Sequence[Row], is_wanted: Callable[[], bool]) -> None:
        with self._lock:
            self.parts.append(list(rows))
            self.threads.append((threading.get_ident(), torch.get_num_threads()))
        if not is_wanted():
            raise CancelledError
        if any(row.prompt == (self._fails_on,) for row in rows):
            raise ValueError("this part cannot be decoded")


def rows_of(ask: Ask, num_prompts: int, samples: int) -> list[Row]:
    return [Row((prompt,), ask("a"), 0, 8) for prompt in range(num_prompts) for _ in range(samples)]


@pytest.mark.parametrize(("num_prompts", "samples", "num_parts"), [(64, 1, 4), (13, 5, 4), (16, 1, 2), (15, 1, 1)])
def test_every_row_is_in_one_part_with_the_others_of_its_prompt(
    ask: Ask, num_prompts: int, samples: int, num_parts: int
) -> None:
    rows, record = rows_of(ask, num_prompts, samples), Recorder()
    decode_in_parts(record, rows, lambda: True, small_model=False)
    assert sorted(map(id, rows)) == sorted(id(row) for part in record.parts for row in part)
    assert len(record.parts) == num_parts
    prompts = [{row.prompt for row in part} for part in record.parts]
    assert sum(map(len, prompts)) == num_prompts
    sizes = [len(part) for part in record.parts]
    assert max(sizes) - min(sizes) <= samples


def test_threads_are_shared_out_and_given_back(ask: Ask) -> None:
    record = Recorder()
    decode_in_parts(record, rows_of(ask, 20, 1), lambda: True, small_model=False)
    assert [number for _, number in record.threads] == [2, 2]
    assert torch.get_num_threads() == 4
    made_later: list[int] = []
    later = threading.Thread(target=lambda: made_later.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert made_later == [4]


@pytest.mark.parametrize("num_rows", [1, 64])
def test_a_part_of_a_small_model_has_one_thread(ask: Ask, num_rows: int) -> None:
    record = Recorder()
    decode_in_parts(record, rows_of(ask, num_rows, 1), lambda: True, small_model=True)
    assert {number for _, number in record.threads} == {1}
    assert torch.get_num_threads() == 4


def test_one_prompt_is_one_part(ask: Ask) -> None:
    record = Recorder()
    decode_in_parts(record, rows_of(ask, 1, 64), lambda: True, small_model=False)
    assert record.threads == [(threading.get_ident(), 4)]


def test_the_error_of_a_part_is_raised_once_all_have_ended(ask: Ask) -> None:
    record = Recorder(fails_on=3)
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode_in_parts(record, rows_of(ask, 64, 1), lambda: True, small_model=False)
    assert len(record.parts) == 4


def test_parts_end_when_nobody_waits(ask: Ask) -> None:
    with pytest.raises(CancelledError):
        decode_in_parts(Recorder(), rows_of(ask, 64, 1), lambda: False, small_model=False)
