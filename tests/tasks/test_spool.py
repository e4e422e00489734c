import gc
import os
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest.errors import InputError
from cowest.tasks._spool import FirstSeen, Spool
from cowest.types import Example

_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=6,
)
_EXAMPLES = st.builds(
    Example,
    id=st.text(),
    query=st.text(),
    references=st.lists(st.text(), min_size=1, max_size=3).map(tuple),
    explanation=st.none() | st.text(),
    fields=st.dictionaries(st.text(), _PLAIN, max_size=3),
)


def _examples(number: int) -> list[Example]:
    return [Example(id=str(n), query=f"{n}?" * (n % 7), references=(str(n),), fields={"n": n}) for n in range(number)]


@settings(max_examples=40, deadline=None)
@given(st.lists(_EXAMPLES, max_size=4))
def test_examples_come_back_as_they_were(examples: list[Example]) -> None:
    spool = Spool(examples)
    assert list(spool) == examples
    assert [example.model_dump_json() for example in spool] == [example.model_dump_json() for example in examples]


def test_it_is_a_sequence() -> None:
    examples = _examples(20)
    spool = Spool(example for example in examples)
    assert len(spool) == 20
    assert [spool[index] for index in (0, 7, 19, -1, -20)] == [examples[index] for index in (0, 7, 19, -1, -20)]
    for index in (20, -21):
        with pytest.raises(IndexError):
            spool[index]
    assert list(reversed(spool)) == examples[::-1]
    assert examples[3] in spool
    assert not Spool([])
    chosen = random.Random(0).sample(spool, 5)
    assert [example.id for example in chosen] == [example.id for example in random.Random(0).sample(examples, 5)]


@pytest.mark.parametrize(
    "part", [slice(None, 5), slice(3, None, 4), slice(-4, None), slice(None, None, -1), slice(9, 2)]
)
def test_slices_share_the_file(part: slice) -> None:
    examples = _examples(20)
    spool = Spool(examples)
    sliced = spool[part]
    assert list(sliced) == examples[part]
    assert list(sliced[1:3]) == examples[part][1:3]
    assert sliced._records is spool._records
    del spool
    gc.collect()
    assert list(sliced) == examples[part]


def test_threads_may_read_at_once() -> None:
    examples = _examples(500)
    spool = Spool(examples)

    def read(seed: int) -> bool:
        order = random.Random(seed).sample(range(500), 500)
        return all(spool[index] == examples[index] for index in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_a_forked_process_does_not_disturb_the_reading() -> None:
    examples = _examples(50)
    spool = Spool(examples)
    reading = iter(spool)
    assert next(reading) == examples[0]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(list(spool[10:]) != examples[10:])
        finally:
            os._exit(status)
    rest = list(reading)
    assert os.waitpid(child, 0)[1] == 0
    assert rest == examples[1:]


def test_the_files_are_gone_with_the_last_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool(_examples(3))
    file = spool._records._file
    assert list(tmp_path.iterdir()) == []  # without a name from the start: nothing is left by a killed process
    part = spool[:1]
    del spool
    gc.collect()
    assert not file.closed
    del part
    gc.collect()
    assert file.closed


def test_a_temporary_folder_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(InputError, match=r"temporary folder '/nowhere/at/all'.*TMPDIR"):
        Spool(_examples(1))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Path("/dev/full").open("wb"))  # noqa: SIM115
    with pytest.raises(InputError, match=r"No space left.*TMPDIR"):
        Spool(_examples(1000))


def test_a_fault_of_the_reader_comes_through() -> None:
    def broken() -> Iterator[Example]:
        yield from _examples(3)
        raise InputError("line 4 is bad")

    with pytest.raises(InputError, match="line 4 is bad"):
        Spool(broken())


def test_the_first_place_of_a_text() -> None:
    seen = FirstSeen()
    texts: list[Any] = ["a", "A", "a ", "", "\0", "1", "é", "e\u0301", "\ud83d"]
    assert [seen.earlier(text, f"line {number}") for number, text in enumerate(texts)] == [None] * len(texts)
    assert [seen.earlier(text, "later") for text in texts] == [f"line {number}" for number in range(len(texts))]
