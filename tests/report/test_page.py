import base64
import hashlib
import html
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cowest import runs
from cowest.errors import InputError
from cowest.records import Preparation, StageInputs
from cowest.report import write_page
from cowest.report.notes import LAB_NOTE
from tests.report.sample import EVIL, agreement, bench, changed, control, results, summary, with_method

VOID = {"meta", "br", "circle", "line", "rect", "polyline"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def _read(folder: Path) -> Reader:
    page = write_page(folder)
    assert page == folder / "report.html"
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def test_a_finished_run_says_it_all(run_folder: Path) -> None:
    text = _read(run_folder).text
    for words in (
        "Together the two models reach 77.0% exact match [72.5, 81.5]: 41.5 points [36.0, 47.0] more than",
        "Feedback · round 2", "1,721 drafts", "loss 0.693 → 0.412", "3 left out",
        "+18.7", "[13.0, 24.5]", "covers 65.0%", "388", "180 calls", "Strong model alone", "Orrin / Old Orrin",
        "The only dry way to Orrin", "torch 2.13.0", "$3.14", "rounds: 2",
    ):  # fmt: skip
        assert words in text, words


def test_the_page_draws_training_gains_and_costs(run_folder: Path) -> None:
    metrics = [{"step": step, "loss": 1 / step, "rewards/accuracies": 0.5} for step in (1, 2, 3)]
    graded = [{"example_id": "q0", "drafts": [{"gain": 4}, {"gain": -1}]}]
    runs.write_jsonl(run_folder / "round-1/align/metrics.jsonl", metrics)
    runs.write_jsonl(run_folder / "round-1/feedback/graded.jsonl", graded)
    StageInputs(prompt_files={"refine": "b7cc3342ab67"}).write(run_folder / "evaluate" / "inputs.json")
    reader = _read(run_folder)
    kinds = [attributes.get("class") for tag, attributes in reader.tags if tag == "svg"]
    assert [kinds.count(kind) for kind in ("curve", "histogram", "tradeoff")] == [2, 1, 1]
    assert "chosen ranked above rejected" in reader.text
    assert "Together, aligned: 77.0% for $0.0016" in reader.text
    assert "refine b7cc3342ab67" in reader.text


def test_a_bench_is_on_the_page(run_folder: Path) -> None:
    before = write_page(run_folder).read_text()
    assert "The bench" not in before
    bench().write(run_folder / "bench" / "bench.json")
    reader = _read(run_folder)
    for words in (
        "Table 1 on this task", "Together, RLWF feedback", "3 not measured, and why", "feedback gave no pair",
        "reproduced < 0.001", "Together, aligned − Weak model alone", "nothing to compare", "no drafts were graded",
        "with alignment 70.0% [65.5, 74.5]", "weak: own, strong: b", "before alignment 61.0% [55.0, 67.0]",
        "own 1 round, 1,600 calls: 66.0% [61.5, 70.5]",
        "153 66.0% [61.5, 70.5]", "Exact match in percent, up, against rounds of alignment",
    ):  # fmt: skip
        assert words in reader.text, words
    kinds = [attributes.get("class") for tag, attributes in reader.tags if tag == "svg"]
    assert [kinds.count(kind) for kind in ("dots", "trend")] == [4, 2]
    source = (run_folder / "report.html").read_text()
    assert "<script" not in source


def test_the_page_says_what_was_spent_once_and_holms_p_value(run_folder: Path) -> None:
    assert "once $" not in " ".join(_read(run_folder).text.split())
    once = Preparation(calls={"strong": 2121, "judge": 9}, cost_usd=3.1415)
    with_method("collaborate", preparation=once).write(run_folder / "evaluate" / "results.json")
    (first, second, *claims), (row, *rows) = bench().claims, bench().rows
    prepared = changed(row, preparation=Preparation(calls={"strong": 5}))
    measured = bench(claims=[first, changed(second, p_holm=0.0203), *claims], rows=[prepared, *rows])
    measured.write(run_folder / "bench" / "bench.json")
    text = " ".join(_read(run_folder).text.split())
    assert "once $3.14 (2,130 calls)" in text
    assert "once unknown (5 calls)" in text
    assert text.count("Holm 0.020") == 1


def test_a_run_with_a_bench_alone_has_its_headline(run_folder: Path) -> None:
    shutil.rmtree(run_folder / "evaluate")
    bench(task="formulary").write(run_folder / "bench" / "bench.json")
    text = _read(run_folder).text
    assert "77.0% exact match" in text
    assert text.count(LAB_NOTE) == 2  # at the top, and where the claims are


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[1]", b'{"rows": 3}'])
def test_a_broken_bench_is_named(run_folder: Path, data: bytes) -> None:
    (run_folder / "bench").mkdir()
    (run_folder / "bench" / "bench.json").write_bytes(data)
    text = _read(run_folder).text
    assert "bench.json" in text
    assert "Cannot be read:" in text


def test_diagnostics_of_the_feedback_are_drawn(run_folder: Path) -> None:
    found = summary(null_control=control(-0.1), judge_agreement=agreement(0.55))
    found.write(run_folder / "round-1/feedback/summary.json")
    text = _read(run_folder).text
    for words in ("Positive rate, against the null control", "Calibration of the judge", "1 1,204 4.0% [1.0, 6.0]",
                  "the judge disagrees with the metric", "cannot be told from chance"):  # fmt: skip
        assert words in text, words


def test_rounds_are_a_plot(run_folder: Path) -> None:
    assert "against rounds of alignment" not in _read(run_folder).text
    found = with_method("collaborate", with_method("collaborate_sft", round=0), round=1)
    found.write(run_folder / "evaluate" / "results.json")
    assert "0 58.3% [53.8, 62.8] 1 77.0% [72.5, 81.5]" in _read(run_folder).text


def test_the_last_round_is_one_row(run_folder: Path) -> None:
    pair = changed(results().methods["collaborate"], round=2)
    rounds = {"collaborate_round_1": changed(pair, round=1), "collaborate_round_2": pair, "collaborate": pair}
    results(methods=results().methods | rounds).write(run_folder / "evaluate" / "results.json")
    text = _read(run_folder).text
    assert "collaborate, round 2" in text
    assert "collaborate_round_1" in text
    assert "collaborate_round_2" not in text
    assert "5 methods" in text


def test_the_lab_says_what_its_numbers_do_not_mean(run_folder: Path) -> None:
    results(task="formulary").write(run_folder / "evaluate" / "results.json")
    text = _read(run_folder).text
    assert text.index(LAB_NOTE) < text.index("a large gain here is by design") < text.index("Together the two models")


def test_warnings_stand_before_the_numbers(run_folder: Path) -> None:
    summary(num_drafts_cut=400).write(run_folder / "round-1/feedback/summary.json")
    text = _read(run_folder).text
    assert text.index("23.2% of the drafts were cut") < text.index("Methods Method")


def test_the_page_is_self_contained_and_runs_nothing(run_folder: Path) -> None:
    reader = _read(run_folder)
    tags = {tag for tag, _ in reader.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    names = {name for _, attributes in reader.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "style", "srcdoc")}
    links = [attributes["href"] for _, attributes in reader.tags if "href" in attributes]
    sections = {attributes["id"] for tag, attributes in reader.tags if tag == "section" and "id" in attributes}
    assert {link.removeprefix("#") for link in links} == sections, "the contents lead to the page's own sections"
    source = (run_folder / "report.html").read_text()
    assert "@import" not in source
    assert "url(" not in source
    assert "://" not in source


def test_the_policy_allows_our_style_and_nothing_else(run_folder: Path) -> None:
    reader = _read(run_folder)
    policy = next(a["content"] for _, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    source = (run_folder / "report.html").read_text()
    style = source[source.index("<style>") + 7 : source.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_what_models_and_data_wrote_is_escaped(run_folder: Path) -> None:
    methods = results().methods | {EVIL: results().methods["weak_only"]}
    first, *others = results().comparisons
    found = results(task=EVIL, note=EVIL, methods=methods, comparisons=[changed(first, b=EVIL), *others])
    found.write(run_folder / "evaluate" / "results.json")
    reader = _read(run_folder)
    source = (run_folder / "report.html").read_text()
    assert "<script" not in source
    assert source.count(html.escape(EVIL, quote=False).replace("'", "&#39;")) >= 8
    assert EVIL in reader.text


def test_dark_phone_and_print_are_seen_to(run_folder: Path) -> None:
    reader = _read(run_folder)
    source = (run_folder / "report.html").read_text()
    for words in ("prefers-color-scheme: dark", "@media print", "(max-width: 640px)"):
        assert words in source
    assert any(a.get("name") == "viewport" for _, a in reader.tags)


def test_notes_are_a_banner(run_folder: Path) -> None:
    assert 'class="banner"' not in write_page(run_folder).read_text()
    results(task="formulary").write(run_folder / "evaluate" / "results.json")
    assert LAB_NOTE in _read(run_folder).text
    results(note="Only a rehearsal.").write(run_folder / "evaluate" / "results.json")
    assert "Only a rehearsal." in _read(run_folder).text


def test_an_empty_run(tmp_path: Path) -> None:
    assert "neither feedback nor an evaluation" in _read(tmp_path).text


def test_only_feedback_is_done(tmp_path: Path) -> None:
    summary(1).write(tmp_path / "round-1" / "feedback" / "summary.json")
    text = _read(tmp_path).text
    assert re.search(r"Not evaluated yet\..*round 1 .*1 pair from 400 queries", text)
    assert "not yet" in text


@pytest.mark.parametrize("part", ["sft", "round-1", "round-2", "evaluate", "evaluate/predictions", "recipe.yaml"])
def test_any_part_may_be_missing(run_folder: Path, part: str) -> None:
    target = run_folder / part
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    _read(run_folder)


@pytest.mark.parametrize(
    "part", ["sft/training.json", "round-1/feedback/summary.json", "evaluate/results.json",
             "evaluate/predictions/collaborate.jsonl", "evaluate/predictions/strong_only.jsonl",
             "round-1/feedback/graded.jsonl", "sft/metrics.jsonl"],
)  # fmt: skip
@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[1]\n"])
def test_broken_parts_are_named(run_folder: Path, part: str, data: bytes) -> None:
    (run_folder / part).write_bytes(data)
    assert "Cannot be read:" in _read(run_folder).text


def test_only_what_the_contract_promises(tmp_path: Path) -> None:
    metrics = {"exact_match": {"value": 0.7, "ci95": [0.66, 0.73]}}
    row = {"round": 1, "metrics": metrics, "calls": {}, "cost_usd": 0.0, "latency_s": {"p50": 0, "p95": 0}}
    comparison = {"a": "collaborate", "b": "strong_only", "metric": "exact_match", "difference": 0.1,
                  "ci95": [0.05, 0.15], "p_value": 0.001}  # fmt: skip
    document = {"task": "ifqa", "num_examples": 700, "seed": 0, "methods": {"collaborate": row, "strong_only": row}}
    runs.write_json(tmp_path / "evaluate" / "results.json", document | {"comparisons": [comparison]})
    assert re.search(r"70\.0% exact match \[66\.0, 73\.0\].*10\.0 points \[5\.0, 15\.0\] more", _read(tmp_path).text)


def test_a_missing_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder"):
        write_page(tmp_path / "nothing")
