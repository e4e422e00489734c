import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cowest.errors import CowestError, InputError
from cowest.ledger import Ledger, keys, network_file_system
from cowest.ledger.opening import use_wal
from cowest.types import ChatRequest, Completion, Message, Sampling, Usage
from tests import paid


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


def test_replies_asked_for_at_once_are_looked_up_together(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        statements: list[str] = []

        async def look_up() -> list[Completion | None]:
            names = [await keep(ledger, request(f"query {number}"), reply(number)) for number in range(600)]
            ledger._reader.set_trace_callback(statements.append)
            asked = [*names, key(), names[0]]
            tasks = [asyncio.ensure_future(ledger.find(name)) for name in asked]
            tasks[5].cancel()
            return [None if task.cancelled() else task.result() for task in (await asyncio.wait(tasks), tasks)[1]]

        def reply(number: int) -> Completion:
            return Completion(text=f"reply {number}", finish_reason="stop")

        found = asyncio.run(look_up())
        assert len(statements) == 2  # of up to 512 keys each
        assert [each and each.text for each in found] == [
            *(None if number == 5 else f"reply {number}" for number in range(600)), None, "reply 0"
        ]  # fmt: skip


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


def test_what_was_booked_before_a_kill_outlives_a_run_that_goes_on_without_a_budget(tmp_path: Path) -> None:
    async def go_on(ledger: Ledger) -> None:
        await ledger.bookings.book(key(), "weak", "openai/m", request(), 0.5)  # and then the process is killed
        for _ in range(2):  # the second time what was booked must not count once more
            await ledger.intend(key(), "weak", "openai/m", request())
            assert ledger.bookings.possibly_billed_usd() == {"weak": 0.5}
        await ledger.settle(key(), Completion(text="t", finish_reason="stop", cost_usd=0.125))

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        asyncio.run(go_on(ledger))
        assert (ledger.bookings.possibly_billed_usd(), ledger.spend_usd()) == ({"weak": 0.5}, 0.125)


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


@pytest.mark.parametrize("version", [1, 99])
def test_ledger_of_another_version(tmp_path: Path, version: int) -> None:
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(InputError, match=f"version {version}, this package reads 2"):
        Ledger(tmp_path / "other.sqlite")


def test_path_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Ledger(tmp_path)


def test_runs_share_replies_and_each_counts_what_it_paid(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    with Ledger(path, "a") as first, Ledger(path, "b") as second:
        by_a = asyncio.run(keep(first, request("1"), Completion(text="a", finish_reason="stop", cost_usd=1.0)))
        by_b = asyncio.run(keep(second, request("2"), Completion(text="b", finish_reason="stop", cost_usd=None)))
        assert [ledger.lookup(key) is not None for ledger in (first, second) for key in (by_a, by_b)] == [True] * 4
        assert (first.spend_usd(), second.spend_usd(), first.spend_usd("weak")) == (1.0, 0.0, 1.0)
        assert (first.is_spend_known("weak"), second.is_spend_known("weak")) == (True, False)
        assert first.counts() == second.counts() == {"weak": 1}
        assert first.totals() == second.totals() == (2, 1.0)


def test_of_two_that_paid_at_the_same_time_both_use_the_first_reply(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    name = key()

    async def race(first: Ledger, second: Ledger) -> list[str]:
        for ledger in (first, second):
            await ledger.intend(name, "weak", "openai/m", request())
        texts = [
            (await ledger.settle(name, Completion(text=f"of {ledger.run}", finish_reason="stop", cost_usd=1.0))).text
            for ledger in (second, first)
        ]
        return texts

    with Ledger(path, "a") as first, Ledger(path, "b") as second:
        assert asyncio.run(race(first, second)) == ["of b", "of b"]
        assert [ledger.spend_usd() for ledger in (first, second)] == [1.0, 1.0]
    with Ledger(path, "a") as again:
        assert again.lookup(name).text == "of b"  # type: ignore[union-attr]


_SHARER = """
    import asyncio, sys
    from cowest.ledger import Ledger
    from cowest.models.ledgered import Ledgered
    from cowest.models.providers.scripted import ScriptedModel
    from cowest.types import ChatRequest, Message

    async def main(ledger, run):
        model = Ledgered(ScriptedModel(lambda request: f"{request.messages[0].content} by {run}"), ledger, "weak")
        ask = lambda i: model.complete(ChatRequest(messages=(Message(role="user", content=str(i)),)))
        for start in range(0, 200, 20):
            for reply in await asyncio.gather(*(ask(i) for i in range(start, start + 20))):
                print(reply.text)

    path, run = sys.argv[1:]
    with Ledger(path, run) as ledger:
        asyncio.run(main(ledger, run))
"""


def test_processes_share_a_new_ledger_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_SHARER), str(path), run], stdout=subprocess.PIPE, text=True
        )
        for run in "abc"
    ]
    replies = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(replies[0]) == 200
    assert replies[0] == replies[1] == replies[2]
    with Ledger(path) as ledger:
        num_paid, _ = ledger.totals()
    assert 200 <= num_paid <= 600


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/me/run", None), ("/home/net/a/b", "nfs4"), ("/home/net/local/x", None), ("/my disk/x", "cifs")],
)
def test_network_file_systems_are_known_by_their_mount(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/x /home/net nfs4 rw 0 0\n/dev/sdb /home/net/local xfs rw 0 0\n"
        "//server/x /my\\040disk cifs rw 0 0\n"
    )
    assert network_file_system(path, mounts) == kind
    assert network_file_system(path, tmp_path / "none") is None


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


_PAYER_THAT_SHARES = """
    import asyncio, sys
    from pathlib import Path
    from cowest.ledger import Ledger
    from tests.paid import pay

    with Ledger(Path(sys.argv[1]), "run-1") as ledger:
        asyncio.run(pay(ledger, range(1)))
        print("open", flush=True)
        input()
        asyncio.run(pay(ledger, range(1, 2)))
        print("paid", flush=True)
        input()
"""


def test_one_who_closes_the_ledger_takes_nothing_from_one_who_pays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_PAYER_THAT_SHARES), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    Ledger(path, "run-2").close()
    print(file=process.stdin, flush=True)
    assert process.stdout.readline() == "paid\n"
    process.kill()
    process.communicate()
    with Ledger(path, "run-1") as ledger:
        assert [ledger.lookup(paid.key(number)) is not None for number in range(2)] == [True, True]


class Busy:
    """A connection to a new file that other processes switch to WAL at the same time."""

    def __init__(self, times: int, code: int) -> None:
        self.times = times
        self.code = code

    def execute(self, statement: str) -> None:
        self.times -= 1
        if self.times >= 0:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.code
            raise error


def test_opening_waits_for_others_who_open_the_file_too() -> None:
    busy = Busy(3, sqlite3.SQLITE_BUSY_RECOVERY)
    use_wal(busy)  # type: ignore[arg-type]
    assert busy.times == -1
    with pytest.raises(sqlite3.OperationalError):
        use_wal(Busy(1, sqlite3.SQLITE_CANTOPEN))  # type: ignore[arg-type]


def test_where_weights_lie_is_no_part_of_a_key_but_a_servers_name_is() -> None:
    here, there = (Ledger.key("weak", f"local/{folder}/sft", "hash of the weights", request()) for folder in "ab")
    assert here == there != Ledger.key("weak", "local/a/sft", "another hash", request())
    assert Ledger.key("weak", "openai/a", "endpoint", request()) != Ledger.key(
        "weak", "openai/b", "endpoint", request()
    )


TEXTS = ["", "plain", 'a "quote", a \\ and a /', "Grüße, 漢字 \u2028\x00\n\t", "half \ud83d of a pair"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0), Sampling(temperature=-0.0, stop=("\n", "é"), top_p=1)])
def test_what_is_kept_of_a_call_is_what_its_records_say_in_one_canonical_form(text: str, sampling: Sampling) -> None:
    def canonical(value: object) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    messages = (Message(role="system", content=text), Message(role="user", content="hi"))
    request = ChatRequest(messages=messages, sampling=sampling, sample_index=3, prompt_version=text)
    body = request.model_dump(mode="json", include={"messages", "sampling"})
    whole = canonical(["strong", "openai/m", text, body, 3, text])
    assert Ledger.key("strong", "openai/m", text, request) == hashlib.sha256(whole.encode()).hexdigest()
    assert keys.kept(request) == (hashlib.sha256(canonical(body).encode()).hexdigest(), canonical(body))
    for more in ({}, {"tokens": (text,), "token_logprobs": (-1e-9,)}):
        reply = Completion(text=text, finish_reason="stop", usage=Usage(prompt_tokens=7), **more)
        fields = reply.model_dump(include={"text", "finish_reason", "tokens", "token_logprobs"}, exclude_none=True)
        assert keys.kept_reply(reply) == (canonical(fields), canonical(reply.usage.model_dump()))
