import json
from pathlib import Path

import pytest

from cowest import runs
from cowest.viewer import collections
from cowest.viewer.index import Index
from cowest.viewer.query import Wanted
from tests.viewer.sample import EVIL, graded, identifier, is_right, prediction, row, write_run

NUM = 60


def make(folder: Path, name: str = "evaluation") -> Index:
    collection = next(each for each in collections.find(folder) if each.name == name)
    index = Index(folder.parent / f"{folder.name}-{name}.sqlite", collection)
    index.build()
    return index


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "one", NUM)


@pytest.fixture(scope="module")
def index(run: Path) -> Index:
    return make(run)


def ids(index: Index, wanted: Wanted, other: Path | None = None) -> list[str]:
    return [item.id for item in index.page(wanted, 0, 200, other).items]


def test_all_examples_stand_in_the_order_of_the_data(index: Index) -> None:
    assert ids(index, Wanted()) == [identifier(number) for number in range(NUM)]
    assert index.is_complete


def test_a_filter_leaves_those_it_holds_for(index: Index) -> None:
    failed = 8
    expected = [
        identifier(number)
        for number in range(NUM)
        if is_right("collaborate", number) and not is_right("strong_only", number) and number != failed
    ]
    assert ids(index, Wanted(filter="helped")) == expected
    assert index.counts()["helped"] == len(expected)


@pytest.mark.parametrize(
    ("bounds", "kept"), [((1, None), {1.0}), ((None, -1), {-1.0}), ((0, 0), {0.0}), ((2, 9), set())]
)
def test_a_range_of_gains_leaves_those_within(
    index: Index, bounds: tuple[float | None, float | None], kept: set[float]
) -> None:
    page = index.page(Wanted(gain_from=bounds[0], gain_to=bounds[1]), 0, 200)
    assert {item.gain for item in page.items} == kept
    assert page.total == len(page.items)


def test_half_a_last_line_of_a_file_that_grows_is_waited_for(tmp_path: Path) -> None:
    feedback = tmp_path / "run" / "round-1" / "feedback"
    runs.write_jsonl(feedback / "graded-so-far.jsonl", [graded(1), graded(2)])
    with (feedback / "graded-so-far.jsonl").open("a") as file:
        file.write('{"example_id": "half')
    index = make(tmp_path / "run", "round-1")
    assert len(ids(index, Wanted())) == 2
    assert index.num_broken() == {}


def test_pages_follow_one_another(index: Index) -> None:
    page = index.page(Wanted(), 50, 50)
    assert [item.id for item in page.items] == [identifier(number) for number in range(50, NUM)]
    assert page.total == NUM


@pytest.mark.parametrize(("sort", "sign"), [("gain", -1), ("-gain", 1)])
def test_sorted_by_gain_with_those_without_one_last(index: Index, sort: str, sign: int) -> None:
    gains = [item.gain for item in index.page(Wanted(sort=sort), 0, 200).items]
    known = [gain for gain in gains if gain is not None]
    assert known == sorted(known, key=lambda gain: sign * gain)
    assert gains[-1] is None


def test_search_finds_words_in_any_text_and_the_beginning_of_the_last(index: Index) -> None:
    assert ids(index, Wanted(words="q33")) == ["q33"]
    assert ids(index, Wanted(words="bridge 1859")) == ["q59"]
    assert ids(index, Wanted(words="העיר")) == []
    assert ids(index, Wanted(words="הבי")) == ["rtl"]
    assert ids(index, Wanted(words="built orrin4")) == [identifier(4), *(f"q{number}" for number in range(40, 50))]


@pytest.mark.parametrize("sort", ["order", "gain"])
@pytest.mark.parametrize("filter", ["", "helped"])
@pytest.mark.parametrize("facets", [(), (("subject", "towns"),), (("subject", "towns"), ("label", "no"))])
@pytest.mark.parametrize("text", ["", "orrin", "bridge orr", "nobody"])
def test_a_search_a_filter_and_fields_leave_what_all_of_them_hold_for(
    index: Index, sort: str, filter: str, facets: tuple[tuple[str, str], ...], text: str
) -> None:
    kept = set(ids(index, Wanted(filter=filter)))
    for facet in facets:
        kept &= set(ids(index, Wanted(facets=(facet,))))
    if text:
        kept &= set(ids(index, Wanted(words=text)))
    page = index.page(Wanted(filter=filter, facets=facets, words=text, sort=sort), 0, 200)
    assert {item.id for item in page.items} == kept
    assert (page.total, page.is_more, len(page.items)) == (len(kept), False, len(kept))
    if sort == "order":
        order = [identifier(number) for number in range(NUM)]
        assert [item.id for item in page.items] == [each for each in order if each in kept]


def test_a_search_counts_no_further_than_it_says(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.viewer.index.COUNTED", 10)
    page = index.page(Wanted(words="bridge"), 0, 5)
    assert (page.total, page.is_more, len(page.items)) == (15, True, 5)
    last = index.page(Wanted(words="bridge"), 50, 5)
    assert (last.total, last.is_more) == (NUM, False)


def test_a_beginning_of_too_many_words_is_searched_as_it_stands(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    few = index.page(Wanted(words="orrin"), 0, 5)
    assert (few.is_whole_word, few.total) == (False, NUM)
    monkeypatch.setattr("cowest.viewer.query._MAX_ENDINGS", 30)
    many = index.page(Wanted(words="orrin"), 0, 5)
    assert many.is_whole_word
    assert ids(index, Wanted(words="orrin4")) == [identifier(4), *(f"q{number}" for number in range(40, 50))]


@pytest.mark.parametrize("text", ['"', "a OR", "NEAR(", "* AND -", "foo-bar's", "NOT", "col:x", "'; DROP TABLE items"])
def test_no_search_is_an_error(index: Index, text: str) -> None:
    index.page(Wanted(words=text), 0, 5)


def test_fields_part_the_examples_into_groups(index: Index) -> None:
    facets = index.facets()
    assert facets["subject"] == {"bridges": 20, "rivers": 20, "towns": 20}
    assert next(iter(facets)) == "label"
    assert "year" not in facets  # another value for each example is no group
    assert len(ids(index, Wanted(facets=(("subject", "towns"), ("label", "no"))))) == 10


def test_the_rows_of_an_example_are_read_back(index: Index) -> None:
    rows = index.rows("long")
    assert list(rows) == ["strong_only", "weak_only", "collaborate"]
    assert EVIL["long"] in rows["collaborate"][0]["output"]
    assert index.rows("nobody") == {}


def test_examples_that_were_left_out_come_after_the_graded(run: Path) -> None:
    index = make(run, "round-1")
    assert ids(index, Wanted())[-1] == "left"
    assert ids(index, Wanted(filter="failed")) == ["left"]
    assert index.counts()["paired"] == NUM / 4


def test_two_runs_are_compared_by_the_ids_of_their_examples(run: Path, tmp_path: Path, index: Index) -> None:
    there = make(write_run(tmp_path / "two", 40, better=True)).path
    below = [identifier(number) for number in range(40) if number % 8 == 3]
    assert ids(index, Wanted(filter="below"), there) == below
    assert ids(index, Wanted(filter="above"), there) == []
    assert set(below) <= set(ids(index, Wanted(filter="differs"), there))
    for wanted in (Wanted(), Wanted(words="bridge"), Wanted(filter="below", words="bridge"), Wanted(filter="helped")):
        page = index.page(wanted, 0, 200, there)
        assert page.total == len(page.items) > 0
    assert ids(index, Wanted(filter="missing"), there) == [identifier(number) for number in range(40, NUM)]
    assert ids(index, Wanted(sort="-difference"), there)[: len(below)] == below


def test_broken_lines_are_counted_and_the_others_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 3)
    file = run / "evaluate" / "predictions" / "collaborate.jsonl"
    file.write_text(file.read_text() + '{"id": "cut\n[1]\n{"no": "id"}\n' + "[" * 100_000 + "\n")
    index = make(run)
    assert index.num_broken() == {"collaborate": 4}
    assert len(ids(index, Wanted())) == 3


def test_rows_of_other_shapes_are_counted_and_the_others_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 6)
    file = run / "round-1" / "feedback" / "graded.jsonl"
    lines = file.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    rows[1]["drafts"] = 7
    rows[2]["drafts"][0]["gain"] = "much"
    rows[5]["solo_verdict"] = [5]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    index = make(run, "round-1")
    assert ids(index, Wanted()) == ["script", "rtl", "long", "left"]
    assert index.num_broken() == {"graded": 3}


def test_work_that_is_not_wanted_any_more_ends(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 6)
    collection = next(collections.find(run))
    index = Index(tmp_path / "index.sqlite", collection)
    index.build(lambda: False)
    assert not index.is_complete


def test_progress_is_seen_within_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cowest.viewer.index._CHUNK", 2)
    index = Index(tmp_path / "index.sqlite", next(collections.find(write_run(tmp_path / "run", 12))))
    shares: list[float] = []

    def is_wanted() -> bool:
        shares.append(index.share_done)
        return True

    index.build(is_wanted)
    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares) >= 12
    assert shares[-1] <= index.share_done == 1.0


def test_half_a_surrogate_pair_does_no_harm(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 6)
    file = run / "evaluate" / "predictions" / "collaborate.jsonl"
    broken = json.loads(file.read_text().splitlines()[5]) | {"query": "half \ud83d pair", "answer": "\ud83d"}
    file.write_text(json.dumps(broken) + "\n")
    index = make(run)
    assert ids(index, Wanted(words="half"))[:1] == ["q5"]
    assert index.rows("q5")["collaborate"][0]["query"] == "half \ud83d pair"


def test_a_file_that_was_replaced_gives_no_row_of_another_example(tmp_path: Path) -> None:
    run = tmp_path / "run"
    file = run / "evaluate" / "predictions" / "strong_only.jsonl"
    rows = [row(prediction("strong_only", number, correct=True)) for number in (10, 16)]
    runs.write_jsonl(file, rows)
    index = make(run)
    assert index.rows("q10")["strong_only"] == rows[:1]
    runs.write_jsonl(file, reversed(rows))  # of equal length, so that each stands where the other stood
    assert index.rows("q10") == {}
