"""A ledger that a disk or a stranger damaged: it is said, what can be saved is, and no money is forgotten."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from cowest.cli.main import main
from cowest.errors import CowestError
from cowest.ledger import Ledger, find_damage, recover
from cowest.types import Completion, Usage
from tests.paid import COST_USD, key, pay, request

NUM_CALLS = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "ledger.sqlite"
    with Ledger(path, "run-1") as ledger:
        asyncio.run(pay(ledger, range(NUM_CALLS)))
    return path.read_bytes()


@pytest.fixture
def run(tmp_path: Path, whole: bytes) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "ledger.sqlite").write_bytes(whole)
    (folder / ".run-id").write_text("run-1\n")
    (folder / "recipe.yaml").write_text("run: x\n")
    return folder


def zero_pages(path: Path, wanted: Callable[[int], bool], num: int = 5) -> None:
    """Zeroes pages in the middle: those whose kind, their first byte, is wanted."""
    pages = path.read_bytes()
    found = [start for start in range(4096, len(pages), 4096) if wanted(pages[start])]
    broken = bytearray(pages)
    for start in found[len(found) // 2 :][:num]:
        broken[start : start + 4096] = bytes(4096)
    path.write_bytes(bytes(broken))


TABLE_LEAF, INDEX_LEAF = 13, 10


def rows_zeroed(path: Path) -> None:
    zero_pages(path, lambda kind: kind == TABLE_LEAF)


def all_later_zeroed(path: Path) -> None:
    zero_pages(path, lambda kind: kind in (TABLE_LEAF, INDEX_LEAF), num=1000)


def index_zeroed(path: Path) -> None:
    zero_pages(path, lambda kind: kind == INDEX_LEAF, num=1000)


def change(path: Path, statement: str, *values: tuple[str, ...]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, *values)
        connection.commit()


def invalid_json(path: Path) -> None:
    change(path, "UPDATE calls SET response = '{\"text\": ' WHERE rowid % 10 = 0")


def other_json(path: Path) -> None:
    change(path, "UPDATE calls SET response = '[1, 2]', usage = '7' WHERE rowid % 10 = 0")


def deep_json(path: Path) -> None:
    change(path, "UPDATE calls SET response = ? WHERE rowid % 10 = 0", ("[" * 100_000,))


FAULTS = [
    (rows_zeroed, range(200, NUM_CALLS)),
    (index_zeroed, range(NUM_CALLS - 1, NUM_CALLS + 1)),
    (invalid_json, range(270, 271)),
    (other_json, range(270, 271)),
    (deep_json, range(270, 271)),
]


@pytest.mark.parametrize(("fault", "num_saved"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_damage_is_named_and_the_readable_rows_are_recovered(
    run: Path, fault: Callable[[Path], None], num_saved: range, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "ledger.sqlite"
    fault(path)
    damaged = path.read_bytes()
    assert "cowest ledger recover" in (find_damage(path) or "")

    def look_up_all() -> None:
        with Ledger(path, "run-1") as ledger:
            for number in range(NUM_CALLS):
                ledger.lookup(key(number))

    with pytest.raises(CowestError, match=r"is damaged.*cowest ledger recover"):
        look_up_all()

    assert main(["ledger", "recover", str(run)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (run / "ledger.sqlite.damaged").read_bytes() == damaged
    assert find_damage(path) is None
    with Ledger(path, "run-1") as ledger:
        found = [ledger.lookup(key(number)) for number in range(NUM_CALLS)]
        saved = [reply.text for reply in found if reply is not None]
        assert len(saved) in num_saved
        assert f"{len(saved)} replies are recovered" in said
        assert f"{NUM_CALLS - len(saved)} are lost" in said or fault is index_zeroed
        assert ("booked for calls without a reply may be lost too" in said) == (fault is rows_zeroed)
        assert set(saved) <= {f"reply {number}" for number in range(NUM_CALLS)}
    with sqlite3.connect(path) as connection:
        lost = connection.execute("SELECT TOTAL(cost_usd) FROM billed_failures").fetchone()[0]
    assert len(saved) * COST_USD + lost == pytest.approx(NUM_CALLS * COST_USD)
    before = path.read_bytes()
    assert main(["ledger", "recover", str(run)]) == 0
    assert "Nothing was changed" in " ".join(capsys.readouterr().out.split())
    assert path.read_bytes() == before


async def book(ledger: Ledger, numbers: range) -> None:
    for number in numbers:
        await ledger.bookings.book(key(number), "strong", "m", request(number), COST_USD)


@pytest.mark.parametrize("fault", [rows_zeroed, all_later_zeroed])
def test_it_is_said_that_bookings_may_be_lost(
    tmp_path: Path,
    fault: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cowest.ledger.recovery._PROBED_BEYOND", 1000)
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, "run-1") as ledger:
        asyncio.run(book(ledger, range(100)))
    (tmp_path / "recipe.yaml").write_text("run: x\n")
    fault(path)
    assert main(["ledger", "recover", str(tmp_path)]) == 0
    assert "lower budget_usd by" in " ".join(capsys.readouterr().out.split())
    with Ledger(path, "run-1") as ledger:
        assert 0 < ledger.num_open() < 100


def nulls(path: Path, table: str, column: str) -> None:
    """Empties a column of every tenth row, as a broken record can although the schema forbids it."""
    forbidden, allowed = f"{column} REAL NOT NULL", f"{column} REAL"
    declare(path, forbidden, allowed)
    change(path, f"UPDATE {table} SET {column} = NULL WHERE rowid % 10 = 0")
    declare(path, allowed, forbidden)


def declare(path: Path, old: str, new: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", (old, new))
        connection.commit()


def test_rows_that_cannot_be_kept_do_not_count_as_recovered(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(whole)
    nulls(path, "calls", "started_at")
    assert find_damage(path) is not None
    found = recover(path)
    assert (found.num_replies, found.num_lost, found.bookings_may_be_lost) == (270, 30, False)
    with Ledger(path, "run-1") as ledger:
        assert ledger.totals()[0] == 270


def test_a_booking_that_cannot_be_read_is_said_to_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, "run-1") as ledger:
        asyncio.run(book(ledger, range(20)))
        for number in range(20):
            asyncio.run(ledger.bookings.end(key(number), may_be_billed=True))
    nulls(path, "billed_failures", "cost_usd")
    found = recover(path)
    assert found.bookings_may_be_lost
    with Ledger(path, "run-1") as ledger:
        assert ledger.bookings.possibly_billed_usd() == pytest.approx({"strong": 18 * COST_USD})


_KILLED_AT_EVERY_STEP = """
    import os, shutil, signal, sys
    from itertools import count
    from pathlib import Path
    from cowest.ledger import recover

    def kill_at(step):
        def watch(event, _):
            nonlocal step
            if event in ("os.link", "os.rename", "os.remove"):
                step -= 1
                if step < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)

    folder = Path(sys.argv[1])
    for step in count():
        shutil.copytree(folder / "damaged", folder / str(step))
        child = os.fork()
        if not child:
            kill_at(step)
            recover(folder / str(step) / "ledger.sqlite")
            os._exit(0)
        if not os.waitpid(child, 0)[1]:
            break
"""


def test_a_kill_while_a_ledger_is_recovered_loses_nothing(tmp_path: Path, whole: bytes) -> None:
    damaged = tmp_path / "damaged" / "ledger.sqlite"
    damaged.parent.mkdir()
    damaged.write_bytes(whole)
    rows_zeroed(damaged)
    writing = Ledger(damaged, "run-1")
    asyncio.run(pay(writing, range(NUM_CALLS, NUM_CALLS + 20)))  # these are in the log
    shutil.copytree(damaged.parent, tmp_path / "copy")
    writing.close()
    shutil.rmtree(damaged.parent)
    (tmp_path / "copy").rename(damaged.parent)
    subprocess.run([sys.executable, "-c", textwrap.dedent(_KILLED_AT_EVERY_STEP), str(tmp_path)], check=True)
    left = []
    for path in sorted(tmp_path.glob("[0-9]*/ledger.sqlite")):
        if find_damage(path) is not None:
            recover(path)
        with Ledger(path, "run-1") as ledger:
            left.append((ledger.totals()[0], ledger.lookup(key(NUM_CALLS + 19)) is not None))
    assert len(left) == len(list(tmp_path.glob("[0-9]*"))) > 3
    assert set(left) == {left[0]}
    assert left[0][1]


def test_what_is_no_database_is_named_and_left_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "ledger.sqlite"
    path.write_bytes(b"x" * 10_000)
    assert main(["ledger", "recover", str(run)]) == 2
    assert main(["show", str(run)]) == 0
    shown = capsys.readouterr()
    assert "is damaged" in " ".join((shown.out + shown.err).split())
    assert path.read_bytes() == b"x" * 10_000


def test_show_names_damage_that_it_meets(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index_zeroed(run / "ledger.sqlite")
    assert main(["show", str(run)]) == 0
    assert "cowest ledger recover" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("endings", [("", "-wal"), ("", "-wal", "-shm")])
def test_replies_of_a_log_that_was_not_merged_are_recovered_too(tmp_path: Path, endings: tuple[str, ...]) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "run-1")
    asyncio.run(pay(ledger, range(20)))
    copied = tmp_path / "copy" / "ledger.sqlite"
    copied.parent.mkdir()
    for ending in endings:  # as a kill leaves them, or a copy of the first two
        source = ledger.path.with_name(ledger.path.name + ending)
        copied.with_name(copied.name + ending).write_bytes(source.read_bytes())
    ledger.close()
    assert recover(copied).num_replies == 20


def test_the_reply_that_was_kept_first_stays_the_one_although_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(2_000_000_000, 0, -1_000_000))
    monkeypatch.setattr("cowest.ledger.calls.time.time", lambda: float(next(clock)))
    path = tmp_path / "ledger.sqlite"

    async def both() -> list[str]:
        with Ledger(path, "b") as first, Ledger(path, "a") as second:
            for ledger in (first, second):
                await ledger.intend(key(0), "strong", "m", request(0))
            kept = [
                await ledger.settle(key(0), Completion(text=text, finish_reason="stop", usage=Usage(), cost_usd=0.0))
                for ledger, text in ((first, "first"), (second, "second"))
            ]
        with Ledger(path, "a") as again:
            return [reply.text for reply in [*kept, again.lookup(key(0))] if reply is not None]

    assert asyncio.run(both()) == ["first"] * 3


def test_the_ledger_is_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            asyncio.run(pay(ledger, range(1)))
            modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}
