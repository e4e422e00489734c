import io
import re
import threading

import pytest

from cowest import progress
from cowest.progress import ProgressBar, Status, notice, progress_bar, quietly, refresh
from cowest.training.progress import on_bar


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line() -> None:
    clock, stream = Clock(), io.StringIO()
    with progress_bar("feedback", total=400, stream=stream, clock=clock) as bar:
        clock.now += 10
        bar.advance(120, positives=45, pairs=30)
        bar.show(spend_usd=0.1234)
        assert bar.line() == "feedback 120/400 (30%) 12.0/s positives 45 pairs 30 $0.12 left 0:23"
        bar.advance(280, positives=5)
    assert stream.getvalue() == "feedback 400/400 (100%) 40.0/s positives 50 pairs 30 $0.12 in 0:10\n"


def test_a_status_is_shown_on_every_bar_until_it_is_hidden() -> None:
    one, other = Status(), Status()
    outer, inner = progress_bar("outer", quiet=True), progress_bar("inner", quiet=True)
    inner.advance(1, pairs=2)
    one.show(waiting=2, answered=1)
    assert (outer.details(), inner.details()) == ("waiting 2 answered 1", "pairs 2 waiting 2 answered 1")
    other.show(waiting=3)
    assert outer.details() == "waiting 5 answered 1"
    one.show(waiting=1)
    assert outer.details() == "waiting 4"
    one.hide()
    one.hide()
    assert outer.details() == "waiting 3"
    other.hide()
    assert (outer.details(), inner.details()) == ("", "pairs 2")


def test_a_line_every_thirty_seconds_at_most_and_one_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    with progress_bar("work", total=100, stream=stream, clock=clock) as bar:
        for _ in range(70):
            clock.now += 1
            bar.advance()
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["30/100", "60/100", "70/100"]


def test_a_line_comes_on_time_where_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.progress.bar.SECONDS_BETWEEN_BEATS", 0.001)
    monkeypatch.setattr("cowest.progress.display.SECONDS_BETWEEN_LINES", 0.001)
    written = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.set()
            return super().write(text)

    stream = Stream()
    with progress_bar("feedback", total=400, stream=stream):
        assert written.wait(20)
    assert stream.getvalue().startswith("feedback 0/400 (0%)")
    num_lines = len(stream.getvalue().splitlines())
    assert not any(thread.name == "progress" for thread in threading.enumerate())
    assert len(stream.getvalue().splitlines()) == num_lines


def test_before_the_first_item_a_line_says_how_long_it_has_taken() -> None:
    clock, stream = Clock(), io.StringIO()
    with progress_bar("feedback", total=400, stream=stream, clock=clock) as bar:
        clock.now += 60
        bar.refresh()
        assert bar.line() == "feedback 0/400 (0%) after 1:00"


def test_a_training_is_timed_from_its_first_step_on_also_where_it_is_resumed() -> None:
    clock = Clock()
    with progress_bar("sft", stream=io.StringIO(), clock=clock) as bar:
        report = on_bar(bar)
        clock.now += 50  # packages and weights are loaded
        report(501, 1000, {"loss": 0.5})
        assert (bar.rate, bar.left_s) == (None, None)
        clock.now += 10
        report(511, 1000, {"loss": 0.5})
        assert (bar.rate, bar.elapsed_s) == (1.0, 60.0)
        assert bar.line() == "sft 511/1000 (51%) 1.0/s loss 0.5 left 8:09"


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_no_number_is_cut(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    clock, stream = Clock(), Terminal()
    with progress_bar("feedback (collaborative)", total=400, stream=stream, clock=clock) as bar:
        clock.now += 10
        bar.advance(120, positives=45, pairs=30)
        bar.show(spend_usd=0.1234)
        progress.refresh()
        bar._display._progress.refresh()
        bar.advance(280)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "120/400 12.0/s positives 45 pairs 30 $0.12" in drawn
    assert "left 0:23" in drawn
    assert "…" not in drawn
    assert max(map(len, re.split(r"[\r\n]", drawn))) <= width
    last = drawn.strip().splitlines()[-1]
    assert "400/400" in last
    assert "left" not in last


NotebookStream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
"""What a notebook's kernel puts in the place of stderr, as far as a bar can tell."""


def test_a_notebook_shows_one_line_that_moves() -> None:
    clock, stream = Clock(), NotebookStream()
    with progress_bar("sft", total=8, stream=stream, clock=clock) as bar:
        for _ in range(8):
            clock.now += 0.1
            bar.advance(loss=0.5)
        progress.say("somebody should know", about="the notebook's test")
    shown = [line.split("\r")[-1] for line in stream.getvalue().split("\n")]
    assert shown == ["• somebody should know", "sft 8/8 (100%) 10.0/s loss 4 in 0:01", ""]
    redrawn = stream.getvalue().split("\r")
    assert [part.split()[1] for part in redrawn if part.startswith("sft")] == ["0/8", "3/8", "6/8", "8/8"]


def test_advance_adds_and_update_sets() -> None:
    bar = progress_bar("sft", quiet=True)
    bar.advance(2, pairs=1)
    bar.advance(1, pairs=2)
    assert (bar.done, bar.total, bar.fields) == (3, None, {"pairs": 3})
    bar.update(7, 10, loss=0.69315)
    bar.update(8, loss=0.5)
    assert (bar.done, bar.total, bar.fields) == (8, 10, {"pairs": 3, "loss": 0.5})


def test_what_was_done_before_does_not_count_towards_the_rate() -> None:
    clock = Clock()
    bar = progress_bar("resumed", total=100, done=80, quiet=True, clock=clock)
    assert bar.rate is None
    assert bar.left_s is None
    clock.now += 10
    bar.advance(10)
    assert (bar.rate, bar.left_s) == (1.0, 10.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss": 0.693147}, "loss 0.6931"),
        ({"judge_usd": 12.0}, "judge $12.00"),
        ({"cost_usd": 0.0012}, "$0.0012"),
        ({"num_failed": 1234567}, "num failed 1,234,567"),
        ({"waited_s": 3723.4}, "waited 1:02:03"),
        ({"loss": float("nan")}, "loss nan"),
    ],
)
def test_fields_in_words(fields: dict[str, float], words: str) -> None:
    bar = progress_bar("x", quiet=True)
    bar.show(**fields)
    assert bar.details() == words


def test_unknown_and_zero_totals_and_slow_work() -> None:
    clock = Clock()
    bar = progress_bar("reading", quiet=True, clock=clock)
    clock.now += 60
    bar.advance(3)
    assert bar.line() == "reading 3 3.0/min"
    assert progress_bar("nothing", total=0, quiet=True).line() == "nothing 0/0 in 0:00"


def _fail(bar: ProgressBar) -> None:
    bar.advance()
    raise KeyError


def test_a_failure_leaves_the_last_line_and_goes_on() -> None:
    stream = io.StringIO()
    bar = progress_bar("work", total=5, stream=stream, clock=Clock())
    with pytest.raises(KeyError), bar:
        _fail(bar)
    assert stream.getvalue() == "work 1/5 (20%) (stopped)\n"


def test_a_closed_stream_does_not_end_the_work() -> None:
    stream = io.StringIO()
    with progress_bar("work", total=1, stream=stream) as bar:
        stream.close()
        bar.advance()


def test_quiet() -> None:
    stream = io.StringIO()
    with quietly(), progress_bar("work", total=1, stream=stream) as bar:
        bar.advance()
    with progress_bar("work", total=1, stream=stream, quiet=True) as bar:
        bar.advance()
    assert stream.getvalue() == ""
    with progress_bar("work", total=1, stream=stream):
        pass
    assert stream.getvalue() != ""


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with progress_bar("feedback [bold]", total=4, stream=stream) as bar:
        bar.advance(4, pairs=2)
    shown = stream.getvalue()
    for words in ("feedback [bold]", "━", "4/4", "pairs 2"):
        assert words in shown


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with progress_bar("work", total=1, stream=stream) as bar:
        bar.advance()
    assert stream.getvalue().startswith("work 1/1 (100%)")


def test_threads_lose_no_count() -> None:
    bar = progress_bar("work", total=8000, quiet=True)

    def work() -> None:
        for _ in range(1000):
            bar.advance(1, pairs=1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (bar.done, bar.fields["pairs"]) == (8000, 8000)


def test_a_notice_is_shown_while_at_least_one_caller_is_inside() -> None:
    bar = progress_bar("feedback", total=4, quiet=True)
    bar.advance(1, pairs=2)
    with notice("waiting on the limit"):
        with notice("waiting on the limit"):
            assert bar.details() == "pairs 2 (waiting on the limit)"
        assert bar.details() == "pairs 2 (waiting on the limit)"
    assert bar.details() == "pairs 2"


def test_refresh_shows_what_nobody_counted() -> None:
    clock, stream = Clock(), io.StringIO()
    with progress_bar("work", total=5, stream=stream, clock=clock):
        clock.now += 31
        refresh()
        clock.now += 10
        refresh()
    clock.now += 31
    refresh()
    assert stream.getvalue().splitlines() == ["work 0/5 (0%) after 0:31", "work 0/5 (0%) after 0:41"]


def test_a_notice_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with notice("waiting on the limit"), progress_bar("feedback", total=4, stream=stream) as bar:
        bar.advance()
    assert "(waiting on the limit)" in stream.getvalue()


def test_what_cannot_wait_is_said_at_once_and_not_again_for_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    stream = io.StringIO()
    for about in ("a", "a", "b"):
        progress.say(f"retrying: {about} \x1b[2J", about=about, clock=lambda: now[0])
    assert capsys.readouterr().err == "• retrying: a \\x1b[2J\n• retrying: b \\x1b[2J\n"
    with progress_bar("feedback", total=3, stream=stream):
        now[0] = 4.9
        progress.say("too soon", about="a", clock=lambda: now[0])
        now[0] = 5.1
        progress.say("still so", about="a", clock=lambda: now[0])
        assert stream.getvalue() == "• still so\n"
