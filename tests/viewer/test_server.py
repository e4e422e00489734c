import http.client
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.runs import RunFolder, replacing, write_jsonl
from cowest.viewer import Library, make_server
from cowest.viewer.documents import GradedItem
from tests.report.sample import results
from tests.viewer.sample import compared, graded, write_evaluation, write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "one", 60)
    write_run(folder / "elsewhere" / "one", 40, better=True)
    return folder


@pytest.fixture(scope="module")
def library(runs: Path) -> Iterator[Library]:
    with Library([runs / "one", runs / "elsewhere" / "one"]) as library:
        assert library.wait_until_indexed(60)
        yield library


@pytest.fixture(scope="module")
def port(library: Library) -> Iterator[int]:
    with make_server(library) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def request(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), body


def ask(port: int, path: str) -> Any:
    status, _, body = request(port, path)
    assert status == 200, body
    return json.loads(body)


def test_a_browsers_idle_connection_is_closed_without_a_word(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with make_server(library) as server:
        monkeypatch.setattr(server.RequestHandlerClass, "timeout", 0.05)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as idle:
            assert idle.recv(1) == b""
        server.shutdown()
        thread.join()
    assert capsys.readouterr().err == ""


def test_two_runs_of_one_name_are_told_apart(port: int) -> None:
    found = ask(port, "/api/runs")
    assert [run["name"] for run in found] == ["one", "one~2"]
    assert [each["counts"][""] for each in found[0]["collections"]] == [60, 61]


def test_a_list_and_an_example(port: int) -> None:
    found = ask(port, "/api/items?run=one&set=evaluation&filter=helped&facet=subject=towns&q=bridge&limit=2")
    assert len(found["items"]) == 2
    item = ask(port, f"/api/item?run=one&set=evaluation&id={found['items'][0]['id']}")
    assert (item["pair"], item["alone"]) == ("collaborate", "strong_only")
    assert {method["name"] for method in item["methods"]} == {"collaborate", "strong_only", "weak_only"}
    assert item["fields"]["subject"] == "towns"


def test_an_example_that_is_not_there_is_nothing(port: int) -> None:
    assert ask(port, "/api/item?run=one&set=evaluation&id=nobody") is None
    assert ask(port, "/api/item?run=one&set=round-9&id=q8") is None


def test_drafts_know_the_pairs_they_are_in(port: int) -> None:
    item = ask(port, "/api/item?run=one&set=round-1&id=q8")
    assert [draft["chosen_in"] for draft in item["drafts"]] == [[1], []]
    assert [draft["rejected_in"] for draft in item["drafts"]] == [[], [1]]
    assert item["reference"] == ["Orrin"]


def test_compared_with_the_other_run(port: int) -> None:
    found = ask(port, "/api/items?run=one&set=evaluation&with=one~2&filter=below")
    assert found["compared"]
    assert found["total"] == 5


@pytest.mark.parametrize("path", ["/", "/app.js", "/diff.js", "/style.css", "/icon.svg", "/api/runs", "/nothing"])
def test_every_answer_forbids_scripts_of_others(port: int, path: str) -> None:
    _, headers, _ = request(port, path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[", "127.0.0.2"])
def test_a_name_that_was_made_to_point_here_is_refused(port: int, host: str) -> None:
    status, _, body = request(port, "/api/runs", Host=host)
    assert status == 421
    assert b"one" not in body


def test_an_address_that_is_none_is_a_bad_request(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET http://[x/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b" 400 " in connection.recv(100)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1:1", "[::1]:8765"])
def test_loopback_is_served_through_a_tunnel_too(port: int, host: str) -> None:
    assert request(port, "/", Host=host)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(port: int, method: str) -> None:
    assert request(port, "/api/runs", method)[0] == 501


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/etc/passwd", 404),
        ("/../../../../etc/passwd", 404),
        ("/static/app.js", 404),
        ("/api/items?run=nobody&set=evaluation", 404),
        ("/api/items?run=one&set=round-9", 404),
        ("/api/items", 404),
        ("/api/item?run=nobody&set=evaluation&id=q8", 404),
        ("/api/items?run=one&set=evaluation&sort=id;drop", 400),
        ("/api/items?run=one&set=evaluation&filter=1=1", 400),
        ("/api/items?run=one&set=evaluation&offset=x", 400),
    ],
)
def test_what_is_not_there_is_said(port: int, path: str, status: int) -> None:
    found, _, body = request(port, path)
    assert found == status
    assert json.loads(body)["error"]


def test_a_head_has_no_body(port: int) -> None:
    status, headers, body = request(port, "/", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 500


def test_a_taken_port_is_said(port: int, library: Library) -> None:
    with pytest.raises(InputError, match="--port"):
        make_server(library, port)
    with pytest.raises(InputError, match="--port"):
        make_server(library, 123456)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run's folder"):
        Library([tmp_path])
    (tmp_path / "ifqa").mkdir()
    with pytest.raises(InputError, match="Did you mean 'ifqa'"):
        Library([tmp_path / "ifka"])


def test_an_index_that_cannot_be_made_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("cowest.viewer.index.insert", fail)
    with Library([write_run(tmp_path / "run", 4)]) as library:
        assert library.wait_until_indexed(60)
        (first, *_) = library.overview()[0].collections
    assert first.complete
    assert "disk is full" in (first.problem or "")


def test_new_examples_show_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.viewer.library.LOOK_EVERY_S", 0.02)
    run = write_run(tmp_path / "run", 4)
    with Library([run]) as library:
        assert library.wait_until_indexed(60)
        assert library.overview()[0].collections[0].counts[""] == 4
        write_evaluation(run, 9)
        assert library.wait_until_indexed(60)
        assert library.overview()[0].collections[0].counts[""] == 9


def test_a_run_has_its_headline_and_what_must_be_said_first(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 4)
    file = RunFolder(run).evaluate / "results.json"
    with Library([run]) as library:
        assert library.wait_until_indexed(60)
        found = library.overview()[0]
        assert all(name in str(found.headline) for name in ("No result", "Together, aligned", "Weak model alone"))
        assert found.verdict is None
        results(note="Only a rehearsal.").write(file)
        found = library.overview()[0]
        assert "77.0%" in (found.headline or "")
        assert (found.verdict, found.banner) == ("better", "Only a rehearsal.")
        with replacing(RunFolder(run).evaluate, "results.json") as new:
            write_jsonl(new / "predictions" / "strong_only.jsonl", [])
            begun = str(library.overview()[0].headline)
            assert all(part in begun for part in ("77.0%", "new evaluation", ": Strong model alone."))
            assert library.status("run").stages[-1].state == "started"
            results().write(new / "results.json")
        assert "new" not in str(library.overview()[0].headline)
        file.write_text('{"methods": 3}')
        found = library.overview()[0]
        assert (found.headline, found.verdict, found.banner) == (None, None, None)
        assert found.collections[0].counts[""] == 4


def test_a_range_of_gains_is_asked_for_by_address(port: int) -> None:
    assert ask(port, "/api/items?run=one&set=round-1&from=3&to=9")["total"] == 15
    assert ask(port, "/api/items?run=one&set=round-1&to=-1")["total"] == 0
    status, _, body = request(port, "/api/items?run=one&set=round-1&from=nan")
    assert (status, json.loads(body)["error"]) == (400, "'nan' is no finite number.")


def test_an_example_brings_its_null_control(port: int) -> None:
    found = ask(port, "/api/item?run=one&set=round-1&id=q10")
    assert found["null"]["text"].endswith("Answer: guess10")
    assert found["null"]["verdict"]["score"] == 4
    assert ask(port, "/api/item?run=one&set=round-1&id=q11")["null"] is None


def test_drafts_that_were_compared_are_shown_with_rewards(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "run" / "round-1" / "feedback" / "graded.jsonl", [compared(0)])
    with Library([tmp_path / "run"]) as library:
        assert library.wait_until_indexed(60)
        found = library.item("run", "round-1", "c0")
    assert isinstance(found, GradedItem)
    assert [(draft.text, draft.reward) for draft in found.drafts] == [
        ("Explanation: Draft 0.", 0.25),
        ("Explanation: Draft 1.", -1.5),
    ]
    assert found.comparisons[0]["preference"] == 1.0


def test_a_file_that_grows_is_indexed_again_without_piling_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.viewer.library.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("cowest.viewer.library.REST", 0.0)
    file = tmp_path / "run" / "round-1" / "feedback" / "graded-so-far.jsonl"
    file.parent.mkdir(parents=True)
    with Library([tmp_path / "run"]) as library:
        for count in range(1, 7):
            write_jsonl(file, map(graded, range(count)))
            assert library.wait_until_indexed(60)
            (about,) = library.overview()[0].collections
            assert (about.counts[""], about.growing) == (count, True)
        assert len(list(Path(library._scratch.name).glob("*.sqlite"))) <= 2
