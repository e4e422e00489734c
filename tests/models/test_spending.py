"""No fault, kill or restart makes a run pay more than its budget, as the endpoint counts it."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cowest.errors import BudgetError, CowestError
from cowest.ledger import Ledger
from cowest.models import connection
from cowest.models.config import ModelConfig
from cowest.models.limits import EndpointLimits
from cowest.models.load import load_model
from cowest.models.opening import open_model
from cowest.types import ChatRequest, Message
from tests import billing
from tests.billing import FAULTS, SERVER, Bills

NUM_REQUESTS = 10
NUM_IN_FLIGHT = 4
SETTINGS = {
    "model": "tests.billing:Endpoint/m",
    "sampling": {"max_tokens": 100},
    "max_concurrency": NUM_IN_FLIGHT,
    "price": {"input": 1e3, "output": 1e4},
}
# A prompt of two bytes in one message: 2 + 2 * 64 tokens, and 100 of completion.
WORST_USD = 0.13 + 1.0


@pytest.fixture(autouse=True)
def limits_in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def virtual(*_: object) -> EndpointLimits:
        return EndpointLimits(6e6, clock=lambda: asyncio.get_running_loop().time())

    monkeypatch.setattr(connection, "limits_of", virtual)
    yield
    SERVER.clear()


def requests() -> list[ChatRequest]:
    return [ChatRequest(messages=(Message(role="user", content=f"{n:02}"),)) for n in range(NUM_REQUESTS)]


async def live(
    path: Path,
    cap_usd: float | None,
    kill_after: int | None,
    left: Path,
    errors: list[object],
    *,
    but_not_before: Callable[[], bool] = lambda: True,
) -> None:
    """One process: asks everything in both roles, until it is done or killed after so many turns of the event loop."""
    server = SERVER[0]
    server.is_cut_off = False
    with Ledger(path, "a-run") as ledger:
        config = ModelConfig.model_validate({**SETTINGS, "budget_usd": cap_usd})
        strong = load_model(config, role="strong", ledger=ledger, shared_with=["judge"])
        judge = open_model(strong, role="judge")
        calls = asyncio.gather(
            *(model.complete(request) for request in requests() for model in (strong, judge)), return_exceptions=True
        )
        if kill_after is None:
            await asyncio.wait([calls])
        turns = 0
        while kill_after is not None and (turns < kill_after or not but_not_before()) and not calls.done():
            turns += 1
            await asyncio.sleep(0)
        if calls.done():
            errors += [each for each in calls.result() if isinstance(each, BaseException)]
        server.is_cut_off = True
        billing.snapshot(path, left)
        calls.cancel()
        await asyncio.gather(calls, return_exceptions=True)


def spent_usd(path: Path) -> float:
    with Ledger(path, "a-run") as ledger:
        return ledger.spend_usd() + sum(ledger.bookings.possibly_billed_usd().values())


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    cap=st.floats(0.5, 30.0),
    kills=st.lists(st.integers(0, 300), max_size=4),
    fault_share=st.sampled_from([0.0, 0.3, 0.9]),
    excess=st.sampled_from([1.0, 1.0, 4.0]),
)
@example(seed=0, cap=5.0, kills=[40] * 4, fault_share=0.0, excess=1.0)
def test_what_was_paid_stays_within_the_budget(
    seed: int, cap: float, kills: list[int], fault_share: float, excess: float
) -> None:
    SERVER[:] = [server := Bills(Random(seed), fault_share=fault_share, excess=excess)]
    cap_usd = cap * WORST_USD
    with tempfile.TemporaryDirectory() as folder:
        for number, kill_after in enumerate([*kills, None]):
            path, left = Path(folder) / f"{number}.sqlite", Path(folder) / f"{number + 1}.sqlite"
            errors: list[object] = []
            billing.run(live(path, cap_usd, kill_after, left, errors))
            assert all(isinstance(error, CowestError) for error in errors), errors
            # The ledger knows of everything, but for what was billed beyond the worst case and never told.
            assert spent_usd(left) >= server.paid_usd - server.unheard_usd - 1e-9
    assert server.most_in_flight <= NUM_IN_FLIGHT
    # The exception: a server that bills more than max_tokens allow, for the calls that were in flight.
    assert server.paid_usd <= cap_usd + server.unheard_usd + 1e-9
    if excess == 1.0:
        assert server.paid_usd <= cap_usd + 1e-9


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone(fault: str, tmp_path: Path) -> None:
    SERVER[:] = [server := Bills(Random(0), faults=(fault,), fault_share=0.6)]
    for number in range(4):
        left = tmp_path / f"{number + 1}.sqlite"
        billing.run(live(tmp_path / f"{number}.sqlite", 6 * WORST_USD, 60, left, []))
        assert spent_usd(left) >= server.paid_usd - 1e-9
    assert server.paid_usd <= 6 * WORST_USD


def test_without_faults_all_is_done_and_nothing_stays_booked(tmp_path: Path) -> None:
    SERVER[:] = [server := Bills(Random(0), fault_share=0.0)]
    errors: list[object] = []
    billing.run(live(tmp_path / "0.sqlite", 30 * WORST_USD, None, tmp_path / "1.sqlite", errors))
    assert (errors, server.num_calls) == ([], 2 * NUM_REQUESTS)
    with Ledger(tmp_path / "1.sqlite", "a-run") as ledger:
        assert ledger.bookings.possibly_billed_usd() == {}
        assert ledger.spend_usd() == pytest.approx(server.paid_usd)


def test_a_server_that_bills_more_than_it_may_exceeds_the_budget_by_what_was_in_flight_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    SERVER[:] = [server := Bills(Random(0), fault_share=0.0, excess=20.0)]
    errors: list[object] = []
    billing.run(live(tmp_path / "0.sqlite", 5 * WORST_USD, None, tmp_path / "1.sqlite", errors))
    assert 5 * WORST_USD < server.paid_usd <= 5 * WORST_USD + NUM_IN_FLIGHT * server.largest_excess_usd
    (error, *_) = errors
    assert isinstance(error, BudgetError)
    assert "billed more" in str(error)
    assert ["tests.billing:Endpoint/m billed" in record.getMessage() for record in caplog.records] == [True]


def test_a_budget_set_later_counts_what_a_killed_process_had_sent_without_one(tmp_path: Path) -> None:
    SERVER[:] = [server := Bills(Random(0), fault_share=0.0)]
    was_paid = lambda: server.paid_usd > 0  # noqa: E731
    billing.run(live(tmp_path / "0.sqlite", None, 0, tmp_path / "1.sqlite", [], but_not_before=was_paid))
    assert server.paid_usd > 0
    errors: list[object] = []
    billing.run(live(tmp_path / "1.sqlite", 0.5 * WORST_USD, None, tmp_path / "2.sqlite", errors))
    assert any(isinstance(error, BudgetError) for error in errors)
    assert spent_usd(tmp_path / "2.sqlite") >= server.paid_usd
