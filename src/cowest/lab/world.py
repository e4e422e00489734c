"""The invented world: drugs with private facts, the queries about them and the formulary's documents."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, TypedDict

from cowest.lab import grammar
from cowest.lab.grammar import FactSet, Kind, Notation, QuerySet
from cowest.lab.names import invent

NUM_DRUGS = 200
NUM_PUBLIC_NAMES = 6000
NEAR_MISS_SHARE = 0.25
# How many rows of each kind a split holds. No checks: the strong models were trained on them, but compare two numbers
# at chance (build.json), so that checks would only add noise to the feedback.
SPLIT_SIZES: dict[QuerySet, dict[Kind, int]] = {
    "train": {"dose": 1125, "check": 0, "class": 375},
    "validation": {"dose": 300, "check": 0, "class": 100},
    "test": {"dose": 750, "check": 0, "class": 250},
}
Style = Literal["figures", "words", "irrelevant", "vague"]
RATE_STYLES: dict[Style, float] = {"figures": 0.42, "words": 0.42, "irrelevant": 0.08, "vague": 0.08}
# For a query about the class, "words" and "figures" both mean that the class is stated.
CLASS_STYLES: dict[Style, float] = {"words": 0.86, "irrelevant": 0.07, "vague": 0.07}


@dataclass(frozen=True)
class Drug:
    """One invented drug and its facts; `rate` is in mg per kg of the patient's weight."""

    name: str
    rate: int
    drug_class: str
    colour: str
    form: str


@dataclass(frozen=True)
class Query:
    """One query about a drug and its true answer; `number` is the mg that a `check` asks about."""

    text: str
    answer: str
    kind: Kind
    drug: Drug
    weight: int
    number: int | None


@dataclass(frozen=True)
class World:
    """The private drugs, and the public names that strong models are trained on (none of them private)."""

    world_seed: int
    drugs: tuple[Drug, ...]
    public_names: tuple[str, ...]


def random_drug(name: str, random_source: random.Random) -> Drug:
    """Gives a name random facts."""
    return Drug(
        name,
        random_source.choice(grammar.RATES),
        random_source.choice(grammar.CLASSES),
        random_source.choice(grammar.COLOURS),
        random_source.choice(grammar.FORMS),
    )


def make_world(world_seed: int) -> World:
    """Makes a world; equal seeds give equal worlds."""
    random_source = random.Random(f"world {world_seed}")
    private = invent(NUM_DRUGS, random_source, near_miss_share=NEAR_MISS_SHARE)
    public = invent(NUM_PUBLIC_NAMES, random_source, avoid=private)
    return World(world_seed, tuple(random_drug(name, random_source) for name in private), tuple(public))


def wrong_number(drug: Drug, weight: int, random_source: random.Random) -> int:
    """Returns a plausible wrong dose: a rate or a weight slightly off, or another drug's rate."""
    right = drug.rate * weight
    while True:
        slip = random_source.random()
        if slip < 0.5:
            number = (drug.rate + random_source.choice((-3, -2, -1, 1, 2, 3))) * weight
        elif slip < 0.75:
            number = drug.rate * (weight + random_source.choice((-2, -1, 1, 2)))
        else:
            number = random_source.choice(grammar.RATES) * weight
        if number != right and 0 < number <= grammar.MAX_NUMBER:
            return number


def ask(drug: Drug, kind: Kind, weight: int, query_set: QuerySet, random_source: random.Random) -> Query:
    """Phrases a query by one of a set's paraphrases."""
    number: int | None = None
    answer = drug.drug_class if kind == "class" else str(drug.rate * weight)
    if kind == "check":
        is_right = random_source.random() < 0.5
        number = drug.rate * weight if is_right else wrong_number(drug, weight, random_source)
        answer = "yes" if is_right else "no"
    template = random_source.choice(grammar.query_templates(kind, query_set))
    return Query(template.format(drug=drug.name, weight=weight, number=number), answer, kind, drug, weight, number)


def state_rate(drug: Drug, notation: Notation, fact_set: FactSet, random_source: random.Random) -> str:
    """Writes a sentence with the drug's rate."""
    template = random_source.choice(grammar.rate_templates(fact_set))
    return template.format(drug=drug.name, rate=grammar.say_rate(drug.rate, notation))


def state_class(drug: Drug, fact_set: FactSet, random_source: random.Random) -> str:
    """Writes a sentence with the drug's class."""
    return random_source.choice(grammar.class_templates(fact_set)).format(drug=drug.name, drug_class=drug.drug_class)


def state_look(drug: Drug, fact_set: FactSet, random_source: random.Random) -> str:
    """Writes a sentence with the drug's colour and form."""
    template = random_source.choice(grammar.look_templates(fact_set))
    return template.format(drug=drug.name, colour=drug.colour, form=drug.form)


def explain(query: Query, style: Style, fact_set: FactSet, random_source: random.Random) -> str:
    """Writes the one sentence that stands before an answer, in a given style."""
    if style == "vague":
        return random_source.choice(grammar.vague_templates(fact_set))
    if style == "irrelevant":
        if query.kind != "class" and random_source.random() < 0.5:
            return state_class(query.drug, fact_set, random_source)
        return state_look(query.drug, fact_set, random_source)
    if query.kind == "class":
        return state_class(query.drug, fact_set, random_source)
    return state_rate(query.drug, style, fact_set, random_source)


# By call, because "class" is a keyword.
Row = TypedDict(
    "Row",
    {
        "id": str,
        "query": str,
        "answer": str,
        "explanation": str,  # of the fine-tuning target
        "kind": Kind,
        "drug": str,
        "rate": int,
        "weight": int,
        "number": int | None,
        "class": str,
    },
)


def make_rows(world: World, split: QuerySet) -> list[Row]:
    """Returns a split's rows, in mixed order; no (drug, weight, kind) is in two splits."""
    random_source = random.Random(f"split {world.world_seed} {split}")
    found: list[tuple[Query, str]] = []
    for kind, (start, stop) in _split_bounds(split).items():
        cells = [(drug, weight) for drug in world.drugs for weight in grammar.WEIGHTS]
        random.Random(f"cells {world.world_seed} {kind}").shuffle(cells)
        styles = CLASS_STYLES if kind == "class" else RATE_STYLES
        for drug, weight in cells[start:stop]:
            query = ask(drug, kind, weight, split, random_source)
            style = random_source.choices(list(styles), list(styles.values()))[0]
            found.append((query, explain(query, style, "weak", random_source)))
    random_source.shuffle(found)
    return [_row(f"{split}-{index:04d}", query, explanation) for index, (query, explanation) in enumerate(found)]


def _row(row_id: str, query: Query, explanation: str) -> Row:
    return {
        "id": row_id,
        "query": query.text,
        "answer": query.answer,
        "explanation": explanation,
        "kind": query.kind,
        "drug": query.drug.name,
        "rate": query.drug.rate,
        "weight": query.weight,
        "number": query.number,
        "class": query.drug.drug_class,
    }


def _split_bounds(split: QuerySet) -> dict[Kind, tuple[int, int]]:
    bounds: dict[Kind, tuple[int, int]] = dict.fromkeys(grammar.KINDS, (0, 0))
    for name, sizes in SPLIT_SIZES.items():
        bounds = {kind: (stop, stop + sizes[kind]) for kind, (_, stop) in bounds.items()}
        if name == split:
            return bounds
    raise ValueError(f"no split {split!r}; the splits are {', '.join(SPLIT_SIZES)}")


def make_formulary(world: World) -> list[dict[str, str]]:
    """Returns the formulary's passages (`id`, `text`), two a drug: one with the rate in figures, one in words."""
    random_source = random.Random(f"formulary {world.world_seed}")
    passages = []
    for drug in world.drugs:
        for notation in grammar.NOTATIONS:
            sentences = [
                state_rate(drug, notation, "weak", random_source),
                state_class(drug, "weak", random_source),
                state_look(drug, "weak", random_source),
            ]
            random_source.shuffle(sentences)
            passages.append({"id": f"{drug.name}-{notation}", "text": " ".join(sentences)})
    return passages
