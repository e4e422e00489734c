"""A run that lost its id in the ledger, or has another's: what was spent counts all the same."""

import asyncio
import shutil
from pathlib import Path

import pytest

from cowest import runs
from cowest.ledger import Ledger
from cowest.pipeline.models import open_ledger
from cowest.recipe import Recipe, make_recipe
from cowest.types import ChatRequest, Completion, Message

REQUEST = ChatRequest(messages=(Message(role="user", content="?"),))


def recipe(run: Path, ledger: Path | None = None) -> Recipe:
    return make_recipe(
        {
            "run": str(run),
            "ledger": None if ledger is None else str(ledger),
            "task": {"name": "tests.worlds:Sums", "train": "9", "test": "9", "overlap": "keep"},
            "weak": {"model": "openai/w"},
            "strong": {"model": "openai/m"},
        }
    )


def start(run: Path, ledger: Path | None = None, pay: float = 0.0) -> tuple[float, list[str]]:
    """One start of a run that pays something: what counts towards its budget then, and what it says."""
    said: list[str] = []
    folder = runs.RunFolder(run)
    run.mkdir(exist_ok=True)

    async def spend(found: Ledger) -> None:
        key = f"{found.run} {found.spend_usd()}"
        await found.intend(key, "strong", "openai/m", REQUEST)
        await found.settle(key, Completion(text="!", finish_reason="stop", cost_usd=pay))

    with open_ledger(recipe(run, ledger), folder, said.append) as found:
        counted = found.spend_usd("strong") + found.bookings.possibly_billed_usd().get("strong", 0.0)
        if pay:
            asyncio.run(spend(found))
    return counted, said


def test_an_id_that_was_lost_is_found_in_the_runs_own_ledger(tmp_path: Path) -> None:
    start(tmp_path / "run", pay=5.0)
    (tmp_path / "run/.run-id").unlink()
    counted, (said,) = start(tmp_path / "run")
    assert counted == 5.0
    assert ".run-id" in said
    assert start(tmp_path / "run") == (5.0, [])


def test_a_folder_copied_without_its_id_counts_what_the_original_spent(tmp_path: Path) -> None:
    start(tmp_path / "run", pay=5.0)
    shutil.copytree(tmp_path / "run", tmp_path / "copy", ignore=shutil.ignore_patterns(".*"))
    assert start(tmp_path / "copy")[0] == 5.0


@pytest.mark.parametrize("id_is_made_before", [False, True])
def test_without_an_id_all_that_a_shared_ledger_holds_counts(tmp_path: Path, id_is_made_before: bool) -> None:
    shared = tmp_path / "shared.sqlite"
    start(tmp_path / "other", shared, pay=3.0)
    start(tmp_path / "run", shared, pay=5.0)
    for _ in range(2):  # a second time does not count the first time's count again
        (tmp_path / "run/.run-id").unlink()
        if id_is_made_before:
            assert runs.RunFolder(tmp_path / "run").id
        counted, (said,) = start(tmp_path / "run", shared, pay=1.0)
        assert said.count("2 runs") + said.count("3 runs") == 1
    assert counted == 3.0 + 5.0 + 1.0
    assert start(tmp_path / "run", shared) == (10.0, [])
    assert start(tmp_path / "other", shared) == (3.0, [])


def test_a_run_over_anothers_ledger_counts_its_own_only(tmp_path: Path) -> None:
    shared = tmp_path / "shared.sqlite"
    start(tmp_path / "other", shared, pay=3.0)
    assert start(tmp_path / "run", shared) == (0.0, [])
    assert start(tmp_path / "run", shared) == (0.0, [])  # it paid nothing yet, and has its place all the same
    start(tmp_path / "run", shared, pay=1.0)
    shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=True)
    assert start(tmp_path / "copy", shared) == (1.0, [])
