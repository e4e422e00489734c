import itertools

import pytest

from cowest.lab import world
from cowest.lab.facts import stated_facts
from cowest.lab.names import syllables


@pytest.fixture(scope="module")
def invented() -> world.World:
    return world.make_world(0)


def test_equal_seeds_give_equal_worlds_and_others_do_not(invented: world.World) -> None:
    assert world.make_world(0) == invented
    assert world.make_world(1).drugs != invented.drugs


def test_public_names_are_not_private_and_near_misses_exist(invented: world.World) -> None:
    private = {drug.name for drug in invented.drugs}
    assert len(private) == world.NUM_DRUGS
    assert not private & set(invented.public_names)
    near = [
        pair
        for pair in itertools.combinations(private, 2)
        if sum(own != its for own, its in zip(syllables(pair[0]), syllables(pair[1]), strict=True)) == 1
    ]
    assert len(near) >= 20


def test_splits_have_their_sizes_and_share_no_drug_weight_and_kind(invented: world.World) -> None:
    cells = {}
    for split, sizes in world.SPLIT_SIZES.items():
        rows = world.make_rows(invented, split)
        assert len(rows) == sum(sizes.values())
        assert len({row["id"] for row in rows}) == len(rows)
        cells[split] = {(row["drug"], row["weight"], row["kind"]) for row in rows}
    assert not any(first & second for first, second in itertools.combinations(cells.values(), 2))


def test_answers_are_true(invented: world.World) -> None:
    drugs = {drug.name: drug for drug in invented.drugs}
    for row in world.make_rows(invented, "train"):
        product = drugs[row["drug"]].rate * row["weight"]
        truth = {"dose": str(product), "check": "yes" if row["number"] == product else "no"}
        assert row["answer"] == truth.get(row["kind"], drugs[row["drug"]].drug_class)
        assert row["drug"] in row["query"]
        assert str(row["weight"]) in row["query"]


def test_targets_state_rates_in_both_notations_equally_often(invented: world.World) -> None:
    rows = [row for row in world.make_rows(invented, "train") if row["kind"] != "class"]
    notations = [stated_facts(row["explanation"]).notations for row in rows]
    figures, words = notations.count(("figures",)) / len(rows), notations.count(("words",)) / len(rows)
    assert 0.37 < figures < 0.47
    assert 0.37 < words < 0.47
    assert all(set(stated_facts(row["explanation"]).rates) <= {row["rate"]} for row in rows)


def test_formulary_tells_every_drug_in_both_notations(invented: world.World) -> None:
    passages = world.make_formulary(invented)
    assert len(passages) == 2 * world.NUM_DRUGS
    pairs = zip(passages[::2], passages[1::2], strict=True)
    for drug, pair in zip(invented.drugs, pairs, strict=True):
        assert [stated_facts(passage["text"]).notations for passage in pair] == [("figures",), ("words",)]
        assert all(stated_facts(passage["text"]).rates == (drug.rate,) for passage in pair)
        assert all(stated_facts(passage["text"]).classes == (drug.drug_class,) for passage in pair)
