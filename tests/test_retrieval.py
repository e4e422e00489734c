"""BM25 over a corpus: what is found, in which order, how it is cut, and that it is indexed once."""

import json
from pathlib import Path
from typing import Any

import bm25s
import pytest

from cowest.errors import InputError
from cowest.retrieval import WORDS_A_PASSAGE, Passage, Retriever, numbered

FORMULARY = "cowest.lab:assets/formulary.jsonl"


def write(folder: Path, *rows: dict[str, Any], name: str = "corpus.jsonl") -> str:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def texts(*wanted: str) -> list[dict[str, Any]]:
    return [{"text": text} for text in wanted]


def test_the_best_passages_come_first_and_strangers_not_at_all(tmp_path: Path) -> None:
    corpus = write(tmp_path, *texts("birds sing", "a snail is a slow snail", "a snail", "frogs sing"))
    found = Retriever(corpus, top_k=3).search("How slow is a SNAIL?")
    assert [passage.text for passage in found] == ["a snail is a slow snail", "a snail"]
    assert Retriever(corpus, top_k=1).search("snail slow") == found[:1]


def test_of_equal_passages_the_first_of_the_corpus_comes_first(tmp_path: Path) -> None:
    corpus = write(tmp_path, *texts(*["birds sing"] * 30))
    assert [passage.id for passage in Retriever(corpus, top_k=4).search("sing")] == ["1", "2", "3", "4"]
    assert len(Retriever(corpus, top_k=100).search("sing")) == 30
    mixed = write(tmp_path, *texts(*["birds sing", "sing sing sing"] * 300))
    ids = [int(passage.id) for passage in Retriever(mixed, top_k=600).search("sing")]
    assert ids == [*range(2, 601, 2), *range(1, 600, 2)]


@pytest.mark.parametrize("query", ["", "?!", "unheard of words"])
def test_a_query_of_no_known_word_finds_nothing(tmp_path: Path, query: str) -> None:
    assert Retriever(write(tmp_path, *texts("birds sing"))).search(query) == []


def test_long_texts_are_cut_into_passages_and_no_word_is_lost(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(2 * WORDS_A_PASSAGE + 1)]
    corpus = write(
        tmp_path, {"id": "long", "text": " ".join(words)}, {"id": 7, "text": " ".join(words[:WORDS_A_PASSAGE])}
    )
    passages = Retriever(corpus).passages
    assert [passage.id for passage in passages] == ["long#1", "long#2", "long#3", "7"]
    assert [len(passage.text.split()) for passage in passages] == [100, 100, 1, 100]
    assert " ".join(passage.text for passage in passages[:3]).split() == words


def test_the_index_is_made_once_for_a_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    index = bm25s.BM25.index
    monkeypatch.setattr(bm25s.BM25, "index", lambda self, *args, **more: made.append(1) or index(self, *args, **more))
    cache = tmp_path / "cache"
    first = Retriever(write(tmp_path, *texts("a snail", "birds sing")), cache=cache).search("snail")
    same = write(tmp_path, *texts("a snail", "birds sing"), name="moved.jsonl")
    assert Retriever(same, cache=cache).search("snail") == first
    assert len(made) == 1
    other = write(tmp_path, *texts("a snail", "frogs sing"))
    assert [passage.text for passage in Retriever(other, cache=cache).search("frogs")] == ["frogs sing"]
    assert len(made) == 2
    assert not list(cache.glob("*.partial"))
    assert len(list(cache.iterdir())) == 2


def test_without_a_cache_nothing_is_written(tmp_path: Path) -> None:
    corpus = write(tmp_path, *texts("a snail"))
    before = list(tmp_path.iterdir())
    Retriever(corpus).search("snail")
    assert list(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "holds no passage"),
        ([{"text": "x"}, {"title": "x"}], "line 2, has no text"),
        ([{"text": "  "}], "line 1, has no text"),
        ([{"text": 3}], "line 1, has no text"),
    ],
)
def test_a_corpus_that_cannot_be_used_is_refused(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        _ = Retriever(write(tmp_path, *rows)).passages
    with pytest.raises(InputError, match="does not exist"):
        _ = Retriever(str(tmp_path / "nothing.jsonl")).passages


def test_the_labs_corpus_holds_what_its_queries_need() -> None:
    retriever = Retriever(FORMULARY)
    assert len(retriever.passages) == 400
    found = retriever.search("Please, at 28 kg, how many mg of bafugan should a girl take at once?")
    assert sorted(passage.id for passage in found) == ["bafugan-figures", "bafugan-words"]


def test_a_prompt_numbers_passages_and_says_where_there_is_none() -> None:
    assert numbered([Passage("a", "One."), Passage("b", "Two.")]) == "[1] One.\n[2] Two."
    assert numbered([]) == "(no passage was found)"
