"""The viewer and the report in a real browser. PICTURES=folder keeps the pictures that are looked at; RUN=folder is the
run that they show, by default an invented one."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cowest import runs
from cowest.report import write_page
from cowest.report.page import render
from cowest.viewer import Library, make_server
from tests.report.sample import agreement, bench, control, summary
from tests.report.sample import write_run as write_reported_run
from tests.viewer import browser as browsers
from tests.viewer.sample import EVIL, graded, pair, write_run

pytestmark = pytest.mark.skipif(browsers.why_not() is not None, reason=f"no browser: {browsers.why_not()}")

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}

CONTRASTS = """() => {
  const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((all, v, i) => all + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = (node) => {
    const before = node.previousElementSibling;
    if (before?.matches("circle")) return parse(getComputedStyle(before).fill); // a number in a dot
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility({ visibilityProperty: true }) || node.matches(":disabled, option")) continue;
    const style = getComputedStyle(node), ground = background(node);
    let opacity = 1;
    for (let at = node; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    const inked = parse(node instanceof SVGElement ? style.fill : style.color);
    const seen = inked.slice(0, 3).map((v, i) => v * opacity + ground[i] * (1 - opacity));
    const [high, low] = [light(seen), light(ground.slice(0, 3))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${ratio.toFixed(2)}: ${node.textContent.slice(0, 40)}`);
  }
  return poor;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("runs")
    folders = [write_run(folder / "first", 120), write_run(folder / "second", 100, better=True)]
    with Library(folders) as library, make_server(library) as server:
        assert library.wait_until_indexed(60)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


Open = Callable[..., Any]


@pytest.fixture
def open_page(chromium: Any, origin: str) -> Iterator[Open]:
    """Opens an address; afterwards nothing may have gone wrong in the page, and nothing may have left its origin."""
    wrong: list[str] = []
    contexts = []

    def opened(address: str = "/", size: dict[str, int] = DESK, scheme: str = "light") -> Any:
        context = chromium.new_context(viewport=size, color_scheme=scheme)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(origin) else wrong.append(request.url))
        page.goto(origin + address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def question(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def shows(page: Any, identifier: str) -> None:
    page.wait_for_function("id => document.querySelector('#detail h2')?.textContent === id", arg=identifier)


def counts(page: Any, text: str) -> None:
    page.wait_for_function("text => document.querySelector('#count').textContent.startsWith(text)", arg=text)


def test_open_filter_navigate_and_share(open_page: Open) -> None:
    page = open_page("/?id=q10")
    shows(page, "q10")
    page.click("[data-filter=harmed]")
    counts(page, "30 examples")
    shows(page, "pre")
    page.keyboard.press("j")
    shows(page, "q5")
    page.keyboard.press("ArrowDown")
    shows(page, "q9")
    page.keyboard.press("k")
    shows(page, "q5")
    page.select_option("[data-facet=subject]", "towns")
    counts(page, "10 examples")
    page.keyboard.press("c")
    page.wait_for_selector("#said.visible")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    again = open_page(link.removeprefix(page.evaluate("location.origin")))
    shows(again, question(page)["id"])
    counts(again, "10 examples")
    again.reload()
    counts(again, "10 examples")
    assert again.get_attribute("[data-filter=harmed]", "aria-pressed") == "true"
    again.click("[data-filter='']")
    counts(again, "40 examples")
    again.go_back()
    counts(again, "10 examples")


@pytest.mark.parametrize(
    ("collection", "left"),
    [
        (
            "evaluation",
            {
                "helped": 29,
                "harmed": 30,
                "pair_wrong": 60,
                "both_wrong": 30,
                "all_negative": 31,
                "unscored": 1,
                "unscored_pair": 1,
                "failed": 1,
            },
        ),
        (
            "round-1",
            {
                "helped": 60,
                "harmed": 60,
                "all_negative": 60,
                "unscored": 30,
                "unscored_pair": 30,
                "failed": 1,
                "paired": 30,
                "controlled": 12,
            },
        ),
    ],
)
def test_every_filter_leaves_what_it_says(open_page: Open, collection: str, left: dict[str, int]) -> None:
    page = open_page(f"/?run=first&set={collection}")
    for name, number in left.items():
        page.click(f"[data-filter={name}]")
        counts(page, f"{number} example")
        assert page.inner_text(f"[data-filter={name}] small").strip() == str(number)
        assert question(page)["filter"] == name
    names = [page.keyboard.press("f") or question(page).get("filter", "") for _ in range(len(left) + 1)]
    assert set(names) == {"", *left}


def test_label_subject_and_gain_narrow_the_list_and_are_in_the_link(open_page: Open) -> None:
    page = open_page("/?run=first")
    page.select_option("[data-facet=label]", "yes")
    counts(page, "60 examples")
    page.select_option("[data-facet=subject]", "rivers")
    counts(page, "20 examples")
    page.fill("#from", "0")
    page.keyboard.press("Enter")
    counts(page, "10 examples")
    page.fill("#to", "0.5")
    page.keyboard.press("Tab")
    page.wait_for_function("() => new URLSearchParams(location.search).get('to') === '0.5'")
    again = open_page(page.evaluate("location.pathname + location.search"))
    counts(again, "10 examples")
    assert (again.input_value("#from"), again.input_value("#to")) == ("0", "0.5")
    assert again.locator("#items .badge").all_inner_texts() == ["0, both wrong"] * 10
    again.click("#collections button:has-text('Feedback')")
    counts(again, "121 examples")
    again.fill("#from", "3")
    again.keyboard.press("Enter")
    counts(again, "30 examples")
    assert set(again.locator("#items .badge").all_inner_texts()) == {"+3"}


def test_the_null_control_stands_beside_the_first_sample(open_page: Open) -> None:
    page = open_page("/?run=first&set=round-1&id=q10")
    shows(page, "q10")
    panel = page.locator(".panel", has_text="Its second sample, the null control")
    assert "guess10" in panel.inner_text()
    assert "judged 4 of 10" in panel.inner_text()
    assert "−1" in panel.inner_text()
    page.keyboard.press("j")
    shows(page, "q11")
    assert page.get_by_text("null control", exact=False).locator("visible=true").count() == 1  # the filter's button


def test_pages_and_sort_by_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("ArrowRight")
    shows(page, "q50")
    page.keyboard.press("k")
    shows(page, "q49")
    assert "page" not in question(page)
    page.keyboard.press("j")
    shows(page, "q50")
    page.select_option("#sort", "-gain")
    page.wait_for_function("() => document.querySelector('#items .badge')?.textContent === '−1'")
    page.keyboard.press("?")
    assert page.evaluate("document.querySelector('#help').open")
    page.click("#help button")
    assert not page.evaluate("document.querySelector('#help').open")
    page.keyboard.press("/")
    page.keyboard.type("bridge 77")
    counts(page, "1 example")
    shows(page, "q77")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "items"
    assert page.get_attribute("#items", "aria-activedescendant") == "item-0"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "detail"


def test_drafts_with_verdicts_and_pairs(open_page: Open) -> None:
    page = open_page("/?set=round-1&id=q8")
    shows(page, "q8")
    heads = page.locator(".draft h3").all_inner_texts()
    assert [head.split() for head in heads] == [
        ["Draft", "1", "+3", "chosen", "in", "pair", "1"],
        ["Draft", "2", "−1", "rejected", "in", "pair", "1"],
    ]
    assert "judged 8 of 10" in page.inner_text(".draft")
    assert page.locator(".draft mark").all_inner_texts()[0] == "one"
    page.keyboard.press("m")
    page.wait_for_function("() => document.querySelector('.draft mark')?.textContent.startsWith('Go')")
    page.goto(page.url.replace("q8", "left"))
    assert "no reply <script>" in page.locator("#detail .problem").inner_text()


def test_two_runs_side_by_side(open_page: Open) -> None:
    page = open_page("/?run=first")
    page.select_option("#with", "second")
    page.wait_for_selector("[data-filter=below]")
    page.click("[data-filter=below]")
    counts(page, "13 examples")
    page.select_option("#mark", "other")
    page.wait_for_selector(".panel mark")
    assert page.locator("h3.whose").all_inner_texts() == ["first", "second"]
    assert page.locator(".panel mark").all_inner_texts() == ["Belm", "Orrin"]
    page.click("[data-filter=missing]")
    counts(page, "20 examples")
    shows(page, "q100")
    assert "That run has no such example" in page.inner_text("#detail")


@pytest.mark.parametrize("collection", ["evaluation", "round-1"])
def test_texts_stay_texts(open_page: Open, collection: str) -> None:
    page = open_page(f"/?set={collection}")
    broken_out = "() => [window.harmed, document.querySelector('#broken-out, .text img, .text script, .text a')]"
    for name, evil in EVIL.items():
        shows(page, name)
        shown = page.locator(".panel .text").all_text_contents()
        assert sum(evil in text for text in shown) >= 3
        assert page.evaluate(broken_out) == [None, None]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("j")
    assert page.evaluate("getComputedStyle(document.querySelector('.text')).unicodeBidi") == "plaintext"


def test_a_search_can_be_a_script(open_page: Open) -> None:
    page = open_page("/?q=%3Cscript%3Ewindow.harmed%3Dtrue%3C/script%3E&filter=helped&id=%3Cimg%20src=x%3E")
    assert page.evaluate("window.harmed ?? null") is None
    assert page.input_value("#search").startswith("<script>")


def test_a_run_that_goes_on_is_seen_to_grow(chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.viewer.library.LOOK_EVERY_S", 0.05)
    run = tmp_path / "growing"
    (run / "sft").mkdir(parents=True)
    (run / "recipe.yaml").write_text("rounds: 1\n")
    (run / "sft" / "metrics.jsonl").write_text('{"step": 12, "loss": 0.4321}\n')
    with Library([run]) as library, make_server(library) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_selector("#live b")
        assert page.inner_text("#live b") == "Going on: sft"
        assert "step 12, loss 0.432" in page.inner_text("#live")
        write_run(run, 9)
        counts(page, "9 examples")
        shows(page, "script")
        page.close()
        server.shutdown()
        thread.join()


def test_examples_appear_as_they_are_graded(chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.viewer.library.LOOK_EVERY_S", 0.05)
    monkeypatch.setattr("cowest.viewer.library.REST", 0.0)
    run = tmp_path / "growing"
    feedback = run / "round-1" / "feedback"
    runs.write_jsonl(feedback / "graded-so-far.jsonl", [graded(10)])
    (feedback / "inputs.json").write_text("{}")
    with Library([run]) as library, make_server(library) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        assert library.wait_until_indexed(60)
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        counts(page, "1 example so far")
        shows(page, "q10")
        assert "pairs are made when the stage ends" in page.inner_text("#detail")
        page.focus("[data-filter=helped]")
        with (feedback / "graded-so-far.jsonl").open("a") as file:
            file.write(graded(12).model_dump_json() + "\n" + '{"example_id": "half')
        counts(page, "2 examples so far")
        assert page.evaluate("document.activeElement.dataset.filter") == "helped"
        runs.write_jsonl(feedback / "graded.jsonl", [graded(10), graded(12)])
        runs.write_jsonl(feedback / "pairs.jsonl", [pair(10)])
        page.wait_for_function("() => document.querySelector('#detail').textContent.includes('chosen in pair 1')")
        counts(page, "2 examples")
        assert "so far" not in page.inner_text("#count")
        page.close()
        server.shutdown()
        thread.join()


def test_on_a_phone_the_list_and_the_example_take_turns(open_page: Open) -> None:
    page = open_page("/?run=first&with=second", PHONE)
    assert page.is_hidden("#detail")
    assert page.is_hidden("#from")
    assert page.evaluate("document.querySelector('.top').offsetHeight") <= 120
    assert page.inner_text("#result summary") == "No result yet"
    assert page.is_hidden("#headline")
    page.click("#result summary")
    assert page.is_visible("#headline")
    page.click("#narrow summary")
    page.select_option("[data-facet=subject]", "towns")
    counts(page, "40 examples")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.select_option("[data-facet=subject]", "")
    counts(page, "120 examples")
    page.click("#item-2")
    assert page.is_hidden("#list")
    assert page.is_hidden(".top")
    shows(page, "markdown")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click(".back")
    assert page.is_visible("#list")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/?id=q10", "/?set=round-1&id=q8&with=second", "/?id=q8"])
def test_all_text_has_the_contrast_of_aa(open_page: Open, scheme: str, address: str) -> None:
    page = open_page(address, scheme=scheme)
    page.wait_for_selector(".panel")
    assert page.evaluate(CONTRASTS) == []


def write_whole_run(folder: Path) -> Path:
    """An invented run with every part that a page can have."""
    run = write_reported_run(folder)
    bench().write(run / "bench" / "bench.json")
    diagnosed = summary(null_control=control(0.1), judge_agreement=agreement())
    diagnosed.write(run / "round-1" / "feedback" / "summary.json")
    rows = [{"step": step, "loss": 0.7 - 0.02 * step} for step in range(1, 20)]
    runs.write_jsonl(run / "sft" / "metrics.jsonl", rows)
    runs.write_jsonl(run / "round-1" / "feedback" / "graded.jsonl", map(graded, range(5, 60)))
    return run


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [("desk", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light"), ("phone-dark", PHONE, "dark")],
)
def test_the_report_opens_from_disk(
    chromium: Any, tmp_path: Path, name: str, size: dict[str, int], scheme: str
) -> None:
    path = write_page(write_whole_run(tmp_path / "run"))
    context = chromium.new_context(viewport=size, color_scheme=scheme, offline=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("request", lambda request: wrong.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CONTRASTS) == []
    for row in ("Weak model alone", "Alignment helps."):
        assert page.get_by_role("rowheader", name=row).first.is_visible()
    context.close()
    assert wrong == []


def test_the_report_prints_whole(chromium: Any, tmp_path: Path) -> None:
    page = chromium.new_page(viewport={"width": 718, "height": 1047})  # A4 less margins of a centimetre
    page.goto(write_page(write_whole_run(tmp_path / "run")).as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("table.stack thead").first.is_visible()
    assert len(page.pdf()) > 20_000
    page.close()


@pytest.mark.parametrize(
    ("name", "address", "size", "scheme"),
    [
        ("report", None, DESK, "light"),
        ("report-bench", None, {"width": 1280, "height": 1120}, "light"),
        ("report-dark", None, DESK, "dark"),
        ("report-phone", None, PHONE, "light"),
        ("viewer", "/?filter=helped", DESK, "light"),
        ("viewer-dark", "/?set=round-1&filter=helped", DESK, "dark"),
        ("viewer-phone", "/", PHONE, "light"),
        ("viewer-phone-example", "/", PHONE, "light"),
    ],
)
def test_pictures(
    chromium: Any, tmp_path: Path, name: str, address: str | None, size: dict[str, int], scheme: str
) -> None:
    run = Path(os.environ["RUN"]) if os.environ.get("RUN") else write_whole_run(tmp_path / "run")
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    page = chromium.new_page(viewport=size, color_scheme=scheme)
    if address is None:
        (tmp_path / "report.html").write_text(render(run), encoding="utf-8")
        page.goto((tmp_path / "report.html").as_uri())
        if name.endswith("bench"):
            page.evaluate("[...document.querySelectorAll('h3')].find((e) => /^Formats/.test(e.textContent))"
                          "?.scrollIntoView()")  # fmt: skip
        page.screenshot(path=folder / f"{name}.png")
    else:
        with Library([run]) as library, make_server(library) as server:
            assert library.wait_until_indexed(60)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            page.goto(f"http://127.0.0.1:{server.server_port}{address}")
            page.wait_for_selector("body[data-ready]")
            if name.endswith("example"):
                page.click("#item-0")
            page.wait_for_selector(".panel" if "phone" not in name or name.endswith("example") else "#item-0")
            page.screenshot(path=folder / f"{name}.png")
            server.shutdown()
            thread.join()
    page.close()
    assert (folder / f"{name}.png").stat().st_size > 5_000
