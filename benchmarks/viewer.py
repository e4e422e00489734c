"""Time to first paint and to filter in the viewer, for 100,000 examples beside 1,000; needs a Chromium and playwright.

PYTHONPATH=. python benchmarks/viewer.py [--examples 1000 100000]
"""

import argparse
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.viewer.browser import chromium

from cowest.records import Prediction
from cowest.viewer import Library, collections, make_server
from cowest.viewer.index import Index

WORDS = [f"word{number}" for number in range(5000)]
REPEATS = 9
REPEATS_ALONE = 51
SERVER_ALONE = {
    "overview": "/api/runs",
    "filter: helped": "/api/items?run={run}&set=evaluation&filter=helped",
    "filter: one label of seven": "/api/items?run={run}&set=evaluation&facet=label%3Dlabel3",
    "search: the beginning of 11 words": "/api/items?run={run}&set=evaluation&q=word77",
    "search: one letter, which all words have": "/api/items?run={run}&set=evaluation&q=w",
    "one example": "/api/item?run={run}&set=evaluation&id=q900",
}
METHODS = ("weak_only", "strong_only", "collaborate")


def text(chance: random.Random, num_words: int) -> str:
    return " ".join(chance.choices(WORDS, k=num_words))


def write_run(folder: Path, count: int) -> Path:
    """Invented predictions of three methods, about 1.3 kB of text each."""
    predictions = folder / "evaluate" / "predictions"
    predictions.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(f"run: {folder.name}\n")
    for method in METHODS:
        chance = random.Random(0)
        with (predictions / f"{method}.jsonl").open("w") as file:
            for number in range(count):
                query, output = text(chance, 60), text(chance, 90)
                row = Prediction(
                    id=f"q{number}",
                    method=method,
                    query=query,
                    reference=(f"answer{number}",),
                    draft=text(chance, 40) if method == "collaborate" else None,
                    output=output,
                    answer=f"answer{number}",
                    correct=float(random.Random(f"{method} {number}").random() < 0.6),
                    gold_label=f"label{number % 7}",
                )
                file.write(row.model_dump_json() + "\n")
    return folder


def wait_for_list(page: Any, act: str) -> float:
    """Milliseconds from an act in the page until the list and the example that follow it are painted."""
    return float(
        page.evaluate(
            """async (act) => {
              const settled = () => new Promise((done) => {
                const seen = { list: false, example: false };
                const watch = (id, name) => new MutationObserver((_, observer) => {
                  observer.disconnect();
                  seen[name] = true;
                  if (seen.list && seen.example) requestAnimationFrame(() => requestAnimationFrame(done));
                }).observe(document.getElementById(id), { childList: true });
                watch("items", "list");
                watch("detail", "example");
              });
              const input = (value) => {
                const search = document.getElementById("search");
                search.value = value;
                search.dispatchEvent(new Event("input"));
              };
              const choose = (selector, value) => {
                const select = document.querySelector(selector);
                select.value = value;
                select.dispatchEvent(new Event("change"));
              };
              const acts = {
                helped: () => document.querySelector("[data-filter=helped]").click(),
                all: () => document.querySelector("[data-filter='']").click(),
                label: () => choose("[data-facet=label]", "label3"),
                "no label": () => choose("[data-facet=label]", ""),
                rising: () => choose("#sort", "-gain"),
                falling: () => choose("#sort", "gain"),
                "one word": () => input("word77"),
                "no word": () => input(""),
                page: () => document.getElementById("next").click(),
              };
              const began = performance.now(), done = settled();
              acts[act]();
              await done;
              return performance.now() - began;
            }""",
            act,
        )
    )


def first_paint(browser: Any, address: str) -> float:
    """Milliseconds from asking for the page until the first list and example are painted."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("body[data-ready]")
    took = page.evaluate("new Promise((done) => requestAnimationFrame(() => done(performance.now())))")
    context.close()
    return float(took)


def measure(browser: Any, folder: Path, count: int) -> dict[str, float]:
    run = write_run(folder / str(count), count)
    found: dict[str, float] = {}
    with Library([run]) as library, make_server(library) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        while not library.overview()[0].collections:
            time.sleep(0.005)
        found["first paint while files are read"] = first_paint(browser, address)
        library.wait_until_indexed()
        found["first paint"] = statistics.median(first_paint(browser, address) for _ in range(REPEATS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        times: dict[str, list[float]] = {}
        acts = ("helped", "all", "label", "no label", "rising", "falling", "page", "one word", "no word")
        for _ in range(REPEATS):
            for act in acts:
                times.setdefault(act, []).append(wait_for_list(page, act))
        for act, title in {
            "helped": "filter: helped",
            "label": "filter: one label of seven",
            "rising": "sort: most harm first",
            "falling": "sort: most gain first",
            "page": "next page",
            "one word": "search (and 120 ms of waiting for more typing)",
        }.items():
            found[title] = statistics.median(times[act])
        page.close()
        for title, path in SERVER_ALONE.items():
            found[f"server alone: {title}"] = statistics.median(
                answer(server.server_port, path.format(run=run.name)) for _ in range(REPEATS_ALONE)
            )
        server.shutdown()
    collection = next(collections.find(run))
    began = time.perf_counter()
    Index(folder / f"{count}.sqlite", collection).build()
    found["index made"] = 1000 * (time.perf_counter() - began)
    return found


def answer(port: int, path: str) -> float:
    """Milliseconds that the server takes for an answer."""
    began = time.perf_counter()
    with urlopen(f"http://127.0.0.1:{port}{path}") as reply:
        reply.read()
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, nargs=2, default=[1000, 100_000])
    few, many = parser.parse_args().examples
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        small, large = (measure(browser, Path(folder), count) for count in (few, many))
    print(f"| what | {few:,} examples, ms | {many:,} examples, ms | ratio |\n|---|---|---|---|")
    for what, value in small.items():
        print(f"| {what} | {value:.3g} | {large[what]:.3g} | {large[what] / value:.2f} |")


if __name__ == "__main__":
    main()
