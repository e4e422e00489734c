import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cowest.errors import CowestError, InputError
from cowest.ledger import Ledger
from cowest.types import ChatRequest, Completion, Message, Sampling, Usage


def request(text: str = "hello", **changes: object) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),)).model_copy(update=changes)


def key(**changes: object) -> str:
    return Ledger.key("weak", "openai/m", "id", request(**changes))  # type: ignore[arg-type]


async def keep(ledger: Ledger, asked: ChatRequest, completion: Completion, role: str = "weak") -> str:
    name = ledger.key(role, "openai/m", "id", asked)
    await ledger.intend(name, role, "openai/m", asked)
    await ledger.settle(name, completion)
    return name


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "other"},
        {"sample_index": 1},
        {"prompt_version": "2"},
        {"sampling": Sampling(temperature=0.5)},
        {"sampling": Sampling(stop=("x",))},
    ],
)
def test_key_tells_requests_apart(changes: dict[str, object]) -> None:
    assert key() == key()
    assert key(**changes) != key()


@pytest.mark.parametrize("who", [("strong", "openai/m", "id"), ("weak", "openai/n", "id"), ("weak", "openai/m", "id2")])
def test_key_tells_models_apart(who: tuple[str, str, str]) -> None:
    assert Ledger.key(*who, request()) != key()


def test_reply_survives_unchanged(tmp_path: Path) -> None:
    completion = Completion(
        text="é \ud800 \x00 done", finish_reason="stop", usage=Usage(prompt_tokens=3, completion_tokens=4),
        token_logprobs=(-0.125, -2.0), tokens=("é ", "done"), latency_s=0.25, cost_usd=None,
    )  # fmt: skip
    with Ledger(tmp_path / "new" / "ledger.sqlite") as ledger:
        name = asyncio.run(keep(ledger, request("\udfff"), completion))
        assert ledger.lookup(name) == completion
    with Ledger(tmp_path / "new" / "ledger.sqlite") as ledger:
        assert ledger.lookup(name) == completion


def test_intent_is_no_reply(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(ledger.intend(key(), "weak", "openai/m", request()))
        assert ledger.lookup(key()) is None
        assert (ledger.num_open(), ledger.counts(), ledger.spend_usd()) == (1, {}, 0.0)


def test_second_intent_does_not_harm_a_reply(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        name = asyncio.run(keep(ledger, request(), Completion(text="paid", finish_reason="stop")))
        asyncio.run(ledger.intend(name, "weak", "openai/m", request()))
        reply = ledger.lookup(name)
        assert reply is not None
        assert reply.text == "paid"
        assert ledger.num_open() == 0


def test_spend_and_counts_by_role(tmp_path: Path) -> None:
    async def fill(ledger: Ledger) -> None:
        costs = [("weak", 0.25), ("strong", 1.0), ("strong", 0.5), ("strong", None)]
        await asyncio.gather(
            *(
                keep(ledger, request(str(i)), Completion(text="t", finish_reason="stop", cost_usd=cost), role)
                for i, (role, cost) in enumerate(costs)
            )
        )

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(fill(ledger))
        assert ledger.counts() == {"strong": 3, "weak": 1}
        assert (ledger.spend_usd(), ledger.spend_usd("strong"), ledger.spend_usd("judge")) == (1.75, 1.5, 0.0)


def test_file_has_what_the_contract_names(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(keep(ledger, request(), Completion(text="t", finish_reason="stop")))
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        names = {row[1] for row in connection.execute("PRAGMA table_info(calls)")}
    assert names >= {"role", "key", "request_hash", "response", "usage", "cost_usd", "latency_s"}


def test_waiting_writes_are_on_disk_after_close(tmp_path: Path) -> None:
    async def abandon(ledger: Ledger) -> None:
        tasks = [
            asyncio.ensure_future(keep(ledger, request(str(i)), Completion(text="t", finish_reason="stop")))
            for i in range(300)
        ]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    ledger = Ledger(tmp_path / "ledger.sqlite")
    asyncio.run(abandon(ledger))
    ledger.close()
    ledger.close()
    with Ledger(tmp_path / "ledger.sqlite") as again:
        assert again.num_open() == 300


def test_closed_ledger_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.close()
    with pytest.raises(CowestError, match="is closed"):
        ledger.lookup(key())
    with pytest.raises(CowestError, match="is closed"):
        asyncio.run(ledger.intend(key(), "weak", "m", request()))


def test_write_that_fails_is_heard_of(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
            connection.execute("DROP TABLE calls")
        with pytest.raises(CowestError, match="cannot be written"):
            asyncio.run(ledger.intend(key(), "weak", "m", request()))


def test_file_that_is_not_sqlite(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("dear diary, " * 100)
    with pytest.raises(InputError, match=r"ledger\.sqlite.*not a database"):
        Ledger(tmp_path / "ledger.sqlite")
    assert (tmp_path / "ledger.sqlite").read_text().startswith("dear diary")


def test_sqlite_file_that_is_no_ledger(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(InputError, match="without a version number"):
        Ledger(tmp_path / "other.sqlite")


def test_ledger_of_a_later_version(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "later.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match="version 99"):
        Ledger(tmp_path / "later.sqlite")


def test_path_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Ledger(tmp_path)


_WRITER = """
    import asyncio, itertools, sys
    from cowest.ledger import Ledger
    from cowest.types import ChatRequest, Completion, Message

    ledger = Ledger(sys.argv[1])

    async def one(i):
        request = ChatRequest(messages=(Message(role="user", content=str(i)),))
        key = ledger.key("weak", "m", "id", request)
        await ledger.intend(key, "weak", "m", request)
        await ledger.settle(key, Completion(text=str(i), finish_reason="stop"))
        print(key, flush=True)

    async def main():
        for start in itertools.count(0, 32):
            await asyncio.gather(*(one(i) for i in range(start, start + 32)))

    asyncio.run(main())
"""


def test_reopens_after_a_kill_with_every_reply_that_was_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(path)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    handed_out = [process.stdout.readline().strip() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    handed_out += [line.strip() for line in process.stdout.read().splitlines() if len(line.strip()) == 64]
    process.wait()
    with Ledger(path) as ledger:
        assert all(ledger.lookup(name) is not None for name in handed_out)
        assert ledger.num_open() <= 32
        asyncio.run(keep(ledger, request("after"), Completion(text="t", finish_reason="stop")))
