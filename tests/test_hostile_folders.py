"""A run's folder that a stranger or a full disk made: `show` and `view` read it, change nothing and end."""

import contextlib
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cowest import runs
from cowest.cli.main import main
from cowest.errors import CowestError, InputError
from cowest.ledger import Ledger
from cowest.viewer import Library
from cowest.viewer.query import Wanted
from tests.paid import pay
from tests.viewer.sample import write_run

NUM_EXAMPLES = 3
HUGE = int("9" * 400)
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", NUM_EXAMPLES)


@contextlib.contextmanager
def ends_in(seconds: int) -> Iterator[None]:
    """Fails where the block hangs."""

    def hangs(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pipe(name: str) -> Callable[[Path], None]:
    def make(run: Path) -> None:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    make.__name__ = f"pipe {name}"
    return make


def many_rounds(run: Path) -> None:
    (run / "round-300000000").mkdir()
    (run / "recipe.yaml").write_text("rounds: 300000000\n")


def alias_bomb(run: Path) -> None:
    (run / "recipe.yaml").write_text(BOMB)


def deep_results(run: Path) -> None:
    (run / "evaluate/results.json").write_text(DEEP)


def huge_results(run: Path) -> None:
    results = {"task": "x", "metric": "accuracy", "num_examples": HUGE, "wall_s": HUGE, "seed": HUGE, "methods": {}}
    (run / "evaluate/results.json").write_text(json.dumps(results | {"comparisons": []}))


def hostile_rows(run: Path) -> None:
    """Rows beside good ones: a number beyond all floats, half a surrogate pair in an id, deep and other JSON."""
    path = run / "evaluate/predictions/strong_only.jsonl"
    row = json.loads(path.read_text().splitlines()[0])
    changes: list[dict[str, object]] = [
        {"correct": HUGE}, {"id": "half \ud83d"}, {"id": HUGE}, {"correct": {}}, {"query": [[]]}, {"scores": HUGE}
    ]  # fmt: skip
    rows = [json.dumps({**row, "id": f"hostile-{number}", **change}) for number, change in enumerate(changes)]
    with path.open("a", encoding="utf-8") as file:
        file.write("\n".join([*rows, DEEP, "9" * 5000, "null", "\x00"]) + "\n")


BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
FAULTS = [
    pipe("recipe.yaml"), pipe(".run-id"), pipe("ledger.sqlite"), pipe("evaluate/results.json"),
    pipe("evaluate/predictions/strong_only.jsonl"), pipe("evaluate/predictions/x.jsonl"),
    pipe("round-1/feedback/failures.jsonl"), pipe("sft/metrics.jsonl"), pipe("round-1/feedback/graded.jsonl"),
    many_rounds, alias_bomb, deep_results, huge_results, hostile_rows,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_show_and_view_end_whatever_a_folder_holds(
    run: Path, fault: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    fault(run)
    good = write_run(run.parent / "good", NUM_EXAMPLES)
    with ends_in(60):
        assert main(["show", str(run)]) == 0
        assert main(["show", str(run), "--json"]) == 0
        library = Library([run, good])
        with library:
            assert library.wait_until_indexed(30)
            library.status("run")
            overview = {each.name: each for each in library.overview()}
            json.dumps(overview, default=vars)
            assert [each.complete for each in overview["good"].collections]
            assert all(each.complete for each in overview["good"].collections)
            found = library.items("good", "evaluation", Wanted(), offset=0, limit=50)
            if fault is hostile_rows:
                hostile = library.items("run", "evaluation", Wanted(), offset=0, limit=50)
                assert {item.id for item in hostile.items} >= {item.id for item in found.items}
                half = next(item.id for item in hostile.items if item.id.startswith("half"))
                assert library.item("run", "evaluation", half) is not None
    assert "Traceback" not in capsys.readouterr().err


def contents(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(facts.st_mode) else b""
        found[str(path.relative_to(folder))] = (content, facts.st_mtime_ns, facts.st_mode)
    return found


@pytest.mark.parametrize("endings", [("",), ("", "-wal"), ("", "-wal", "-shm")], ids="+".join)
@pytest.mark.parametrize("has_id", [True, False])
async def test_show_and_view_change_nothing(run: Path, endings: tuple[str, ...], has_id: bool) -> None:
    (run / ".run-id").unlink(missing_ok=True)
    if has_id:
        (run / ".run-id").write_text("run-1\n")
    for left in run.glob("ledger.sqlite*"):
        left.unlink()
    with Ledger(run.parent / "ledger.sqlite", "run-1") as ledger:
        await pay(ledger, range(3))
        if len(endings) > 1:
            for ending in endings:
                shutil.copy(run.parent / f"ledger.sqlite{ending}", run)
    if len(endings) == 1:
        shutil.copy(run.parent / "ledger.sqlite", run)
    before = contents(run)
    assert main(["show", str(run)]) == 0
    with Library([run]) as library:
        assert library.wait_until_indexed(30)
        calls = library.status("run").roles
    assert contents(run) == before
    assert ("strong" in calls) == has_id


def test_a_full_disk_leaves_no_empty_id(tmp_path: Path) -> None:
    folder = runs.RunFolder(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # every write fails, as on a full disk
    try:
        with pytest.raises(CowestError, match=r"run-id.*cannot be written"):
            _ = folder.id
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".run-id").touch()  # what an earlier version left
    assert len(folder.id) == 12
    assert runs.RunFolder(tmp_path).id == folder.id


@pytest.mark.parametrize("target", ["exists", "does not"])
def test_links_in_place_of_our_files_are_not_followed(tmp_path: Path, target: str) -> None:
    mine, run = tmp_path / "mine", tmp_path / "run"
    run.mkdir()
    if target == "exists":
        mine.write_text("mine")
    (run / ".lock").symlink_to(mine)
    (run / "page.partial").symlink_to(mine)
    with pytest.raises(InputError, match="cannot be used"), runs.RunFolder(run).lock():
        pass
    runs.write_text(run / "page", "ours")
    assert (run / "page").read_text() == "ours"
    assert mine.exists() == (target == "exists")
    assert target != "exists" or mine.read_text() == "mine"


def test_a_pipe_in_place_of_the_lock_is_refused_or_locked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    with ends_in(20), contextlib.suppress(InputError), runs.RunFolder(tmp_path).lock():
        pass


def test_predictions_are_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        runs.write_jsonl(tmp_path / "predictions.jsonl", [{"query": "private"}])
        runs.write_text(tmp_path / "report.html", "for others too")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("predictions.jsonl", "report.html")]
    assert modes == [0o600, 0o644]


def test_the_temporary_index_goes_when_the_viewer_is_terminated(run: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "cowest", "view", str(run), "--port", "0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http")
        assert list(scratch.iterdir()) != []
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    assert list(scratch.iterdir()) == []
