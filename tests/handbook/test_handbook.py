"""The handbook: its references are right, its splits share nothing, and any size can be had from one command."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cowest.handbook.__main__ import main
from cowest.handbook.pages import pages
from cowest.handbook.questions import FACT_KINDS, PAIR_KINDS, RULE_KINDS
from cowest.handbook.shop import MAX_PRODUCTS, Shop, make_shop
from cowest.handbook.splits import rows
from cowest.handbook.task import Handbook
from cowest.prompts import Prompts
from cowest.types import Example

SPLITS = ("train", "validation", "test")
_NAMED = re.compile(r"\b(?:the|a) ([A-Z][a-z]+) [a-z]+")


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(60, 0)


@pytest.fixture(scope="module")
def files(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    return rows(shop, 0)


@pytest.fixture(scope="module")
def facts_of_pages(shop: Shop) -> dict[str, dict[str, Any]]:
    """Each product's facts, read back from its page."""
    page = re.compile(
        r"The (\w+) \w+ costs (\d+) euros and weighs (\d+) kilos?\. It is from the (\w+) line and has (\d+) years? of"
    )
    found = (page.search(row["text"]) for row in pages(shop))
    return {
        match[1]: {"price": int(match[2]), "weight": int(match[3]), "line": match[4], "warranty": int(match[5])}
        for match in found
        if match
    }


def work_out(row: dict[str, Any], facts: dict[str, dict[str, Any]], shop: Shop) -> str:
    """The answer from the question's words and the pages, by other code than the package's."""
    kind, names = row["kind"], _NAMED.findall(row["question"])
    own = [facts[name] for name in names]
    first = own[0]
    number = next((int(found) for found in re.findall(r"\d+", row["question"])), 0)
    if kind in ("price", "weight", "warranty", "line"):
        return str(first[kind])
    if kind == "cheaper":
        return min(names, key=lambda name: facts[name]["price"])
    if kind == "budget":
        return "yes" if number >= first["price"] else "no"
    worked_out = {
        "sum": lambda: first["price"] + own[1]["price"],
        "difference": lambda: first["price"] - own[1]["price"],
        "load": lambda: first["weight"] + own[1]["weight"],
        "change": lambda: number - first["price"],
        "delivered": lambda: first["price"] + shop.delivery,
        "several": lambda: number * first["price"],
        "member": lambda: first["price"] - shop.discounts[first["line"]],
        "until": lambda: number + first["warranty"],
    }
    return str(worked_out[kind]())


def test_every_reference_is_what_the_pages_give(
    shop: Shop, files: dict[str, list[dict[str, Any]]], facts_of_pages: dict[str, dict[str, Any]]
) -> None:
    assert len(facts_of_pages) == 60
    seen = set()
    for row in itertools.chain.from_iterable(files.values()):
        right = work_out(row, facts_of_pages, shop)
        assert re.search(rf"(?:^|\s){right}(?:\s|$)", row["answer"]), row
        assert not right.startswith("-"), row
        seen.add(row["kind"])
    assert seen == {*FACT_KINDS, *PAIR_KINDS, *RULE_KINDS}


def test_the_facts_of_a_row_are_those_of_the_pages(
    files: dict[str, list[dict[str, Any]]], facts_of_pages: dict[str, dict[str, Any]]
) -> None:
    words = {"costs": "price", "weighs": "weight", "has": "warranty", "is from the": "line"}
    stated = re.compile(r"The (\w+) \w+ (costs|weighs|has|is from the) (\w+)")
    for row in itertools.chain.from_iterable(files.values()):
        found = stated.findall(row["facts"])
        assert {name for name, _, _ in found} == set(_NAMED.findall(row["question"]))
        assert all(str(facts_of_pages[name][words[verb]]) == value for name, verb, value in found), row


def test_no_two_splits_combine_the_same(files: dict[str, list[dict[str, Any]]]) -> None:
    combined: dict[str, set[Any]] = {}
    for split in SPLITS:
        rows_of_split = [row for row in files[split] if row["kind"] not in FACT_KINDS]
        pairs = {frozenset(_NAMED.findall(row["question"])) for row in rows_of_split if row["kind"] in PAIR_KINDS}
        rules = {(row["product"], row["kind"]) for row in rows_of_split if row["kind"] in RULE_KINDS}
        assert pairs
        assert rules
        combined[split] = pairs | rules
    assert not any(first & second for first, second in itertools.combinations(combined.values(), 2))
    trained = {row["question"] for row in files["train"]}
    assert not any(row["question"] in trained for name in ("validation", "test", "facts") for row in files[name])


def test_every_fact_is_trained_on_and_asked_for_in_a_new_wording(files: dict[str, list[dict[str, Any]]]) -> None:
    cells = set(itertools.product({row["product"] for row in files["train"]}, FACT_KINDS))
    for name in ("train", "facts"):
        assert cells == {(row["product"], row["kind"]) for row in files[name] if row["kind"] in FACT_KINDS}
    taught = [row for row in files["train"] if row["kind"] in FACT_KINDS]
    assert all(row["answer"] in row["explanation"] for row in taught), "a single fact is always stated"


def test_texts_are_short_and_clerks_differ(files: dict[str, list[dict[str, Any]]]) -> None:
    assert all(len(row["question"].split()) <= 30 for name in SPLITS for row in files[name])
    combined = [row for row in files["train"] if row["kind"] not in FACT_KINDS]
    assert all(len(row["explanation"].split()) <= 30 for row in combined)
    shares = [sum(row["explanation"] == row["facts"] for row in combined) / len(combined)]
    shares.append(sum(not re.search(r"\d|[A-Z][a-z]+ \w+\.", row["explanation"]) for row in combined) / len(combined))
    assert shares == pytest.approx([0.4, 0.3], abs=0.06)


@pytest.mark.parametrize("size", [2, 3, 17, MAX_PRODUCTS])
def test_any_size(size: int) -> None:
    shop = make_shop(size, seed=5)
    assert len({product.name for product in shop.products}) == size
    if size < MAX_PRODUCTS:
        files = rows(shop, 5)
        assert len(files["facts"]) == size * len(FACT_KINDS)
        assert all(len({row["id"] for row in its}) == len(its) for its in files.values())


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert main(["--to", str(tmp_path / folder), "--products", "9", "--seed", str(seed)]) == 0
    written = {folder: {file.name: file.read_bytes() for file in (tmp_path / folder).iterdir()} for folder in "abc"}
    assert written["a"] == written["b"]
    assert all(written["a"][name] != written["c"][name] for name in written["a"])
    assert set(written["a"]) == {"train.jsonl", "validation.jsonl", "test.jsonl", "facts.jsonl", "pages.jsonl"}


def test_a_size_that_cannot_be_had_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--to", str(tmp_path), "--products", "1"])
    assert "2 to 1000" in capsys.readouterr().err


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Handbook:
    folder = tmp_path_factory.mktemp("handbook")
    assert main(["--to", str(folder), "--products", "30"]) == 0
    return Handbook(**{split: str(folder / f"{split}.jsonl") for split in SPLITS})


def test_references_score_full_and_oracle_drafts_hold_no_result(task: Handbook) -> None:
    for example in task.test:
        assert task.score(example, task.reference_answer(example))[task.metric] == 1.0
        assert task.oracle_draft(example) == example.fields["facts"]
        assert example.group
    assert not task.overlaps()
    assert set(task.validate(task.test).counts) == {"leak"}, "a choice names its options"
    assert json.dumps(task.test[0].fields), "what the report filters by"


_REPLIES = [
    ("99 euros", [], "Answer: 99 euros", True),
    ("99 euros", [], "44 + 55 = 99", True),
    ("99 euros", [], "Adding 44 and 55 gives a total of 99 euros.", True),
    ("99 euros", [], "Answer: €99.00", True),
    ("99 euros", [], "Answer: approximately $100", False),
    ("99 euros", [], "They are of high quality.", None),
    ("yes", ["yes", "no"], "Yes, that is enough.", True),
    ("yes", ["yes", "no"], "Answer: No", False),
    ("yes", ["yes", "no"], "The lamp costs 12 euros.", None),
    ("the Velmar lamp", ["Velmar lamp", "Tosnik tent"], "Answer: The Velmar lamp is cheaper.", True),
    ("the Velmar lamp", ["Velmar lamp", "Tosnik tent"], "The Tosnik tent is cheaper than the Velmar lamp.", False),
    ("the Velmar lamp", ["Velmar lamp", "Tosnik tent"], "12 is less than 20. Answer: Velmar", True),
    ("the Velmar lamp", ["Velmar lamp", "Tosnik tent"], "The Velmar lamp and the Tosnik tent.", None),
]


@pytest.mark.parametrize(("reference", "options", "reply", "is_right"), _REPLIES)
def test_replies_are_read_however_they_are_worded(
    reference: str, options: list[str], reply: str, is_right: bool | None
) -> None:
    task = Handbook()
    example = Example(id="1", query="?", references=(reference,), fields={"options": options} if options else {})
    answer = task.parse(example, reply)
    assert task.has_answer(example, answer) == (is_right is not None)
    assert task.score(example, answer)["accuracy"] == float(bool(is_right))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("draft_domain_knowledge", ["query"]),
        ("refine", ["query", "draft"]),
        ("solo_chain_of_thought", ["query"]),
        ("solo_direct", ["query"]),
        ("solo_with_passages", ["query", "passages"]),
        ("flare", ["query", "passages", "written"]),
        ("self_refine_critique", ["query", "history", "enough"]),
        ("self_refine_rewrite", ["query", "history"]),
        ("super_icl", ["query", "demonstrations", "prediction"]),
        ("super_icl_demonstration", ["query", "prediction", "label"]),
    ],
)
def test_prompts_show_what_they_are_given(name: str, given: list[str]) -> None:
    (message,) = Prompts("cowest.handbook:prompts").render(name, **{each: f"<{each}>" for each in given})
    assert all(f"<{each}>" in message.content for each in given)
    assert message.content != Prompts().render(name, **{each: f"<{each}>" for each in given})[0].content
