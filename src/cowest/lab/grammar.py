"""The small grammar of query and fact sentences, and which paraphrases belong to which set.

A paraphrase is a whole combination (opener, order of words, noun). Each belongs to exactly one set, by a hash, so that
the strong model, the train split, validation and test never share one.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Literal

Kind = Literal["dose", "check", "class"]
Notation = Literal["figures", "words"]
QuerySet = Literal["strong", "train", "validation", "test"]
FactSet = Literal["strong", "weak"]

KINDS: tuple[Kind, ...] = ("dose", "check", "class")
NOTATIONS: tuple[Notation, ...] = ("figures", "words")
RATES = range(2, 16)
WEIGHTS = range(3, 41)
MAX_NUMBER = 620
CLASSES = tuple("antibiotic sedative painkiller antacid laxative vitamin steroid stimulant diuretic antiseptic".split())
COLOURS = tuple("white red blue yellow green pink brown black".split())
FORMS = tuple("tablet syrup capsule powder lotion patch".split())
NUMBER_WORDS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
)

_NOUNS = ("patient", "child", "boy", "girl")
_QUERY_OPENERS = (
    "",
    "Please,",
    "Quick question:",
    "For the chart:",
    "A nurse asks:",
    "Help me:",
    "One more:",
    "The ward asks:",
)
_QUERY_CORES: dict[Kind, tuple[str, ...]] = {
    "dose": (
        "how many mg of {drug} in one dose for a {weight} kg {noun}?",
        "what single dose of {drug} in mg for a {noun} of {weight} kg?",
        "a {noun} weighs {weight} kg; how many mg of {drug} in one dose?",
        "one dose of {drug} for a {weight} kg {noun} is how many mg?",
        "how much {drug} in mg does a {noun} of {weight} kg get at once?",
        "give the mg of {drug} in one dose for a {weight} kg {noun}.",
        "at {weight} kg, how many mg of {drug} should a {noun} take at once?",
        "the {noun} has {weight} kg; what single dose of {drug} in mg?",
    ),
    "check": (
        "is {number} mg of {drug} the right single dose for a {weight} kg {noun}?",
        "a {noun} weighs {weight} kg; is {number} mg of {drug} right for one dose?",
        "for a {noun} of {weight} kg, is one dose of {drug} {number} mg?",
        "should a {weight} kg {noun} get {number} mg of {drug} at once?",
        "can you confirm {number} mg of {drug} in one dose for a {noun} of {weight} kg?",
        "at {weight} kg, should a {noun} take {number} mg of {drug} in one dose?",
        "is one dose of {drug} for a {noun} of {weight} kg really {number} mg?",
        "the {noun} has {weight} kg; is {number} mg of {drug} the right dose?",
    ),
    "class": (
        "a {noun} of {weight} kg takes {drug}; which class of drug is it?",
        "what class is {drug}, given to a {weight} kg {noun}?",
        "which class does {drug} belong to, taken by a {noun} of {weight} kg?",
        "a {weight} kg {noun} gets {drug}; what class of drug is that?",
        "name the class of {drug} for a {noun} of {weight} kg.",
        "the {noun} has {weight} kg and takes {drug}; which class is it?",
        "of which class is {drug}, asked for a {weight} kg {noun}?",
        "a {noun} weighs {weight} kg; what class is the drug {drug}?",
    ),
}
_FACT_OPENERS = (
    "",
    "In short,",
    "Note:",
    "By the book,",
    "As a rule,",
    "I recall that",
    "The guide says:",
    "We know that",
)
_RATE_CORES = (
    "{drug} is given at {rate} mg {each} kg.",
    "{drug} is dosed at {rate} mg {each} kg.",
    "the rate of {drug} is {rate} mg {each} kg.",
    "one dose of {drug} is {rate} mg {each} kg.",
    "the rule for {drug} is {rate} mg {each} kg.",
    "{drug} needs {rate} mg {each} kg.",
    "doctors give {drug} at {rate} mg {each} kg.",
    "the usual rate for {drug} is {rate} mg {each} kg.",
    "{drug} should be given at {rate} mg {each} kg.",
    "{drug} comes to {rate} mg {each} kg.",
)
_CLASS_CORES = (
    "the class of {drug} is {drug_class}.",
    "{drug} belongs to the class {drug_class}.",
    "{drug} is in the class {drug_class}.",
    "doctors list {drug} under {drug_class}.",
    "{drug} counts as {drug_class}.",
    "the guide lists {drug} as {drug_class}.",
)
_LOOK_CORES = (
    "{drug} is a {colour} {form}.",
    "{drug} comes as a {colour} {form}.",
    "the {form} of {drug} is {colour}.",
    "{drug} is sold as a {colour} {form}.",
)
_VAGUE = (
    "it depends on the weight.",
    "the answer follows from the weight.",
    "one should check the guide.",
    "this is the usual answer.",
    "I recall the answer.",
    "the guide has the answer.",
    "as doctors know.",
    "by the usual rule.",
)


def say_rate(rate: int, notation: Notation) -> str:
    """Writes a rate in one notation: `7` or `seven`."""
    return str(rate) if notation == "figures" else NUMBER_WORDS[rate]


def _join(opener: str, core: str) -> str:
    if opener:
        return f"{opener} {core}"
    return core if core.startswith("{") else core[0].upper() + core[1:]


def _bucket(template: str) -> int:
    return int(hashlib.sha256(template.encode()).hexdigest(), 16) % 100


@cache
def query_templates(kind: Kind, query_set: QuerySet) -> tuple[str, ...]:
    """Returns the paraphrases of one kind of query that belong to one set; fields `drug`, `weight`, and `number`."""
    bounds = {"strong": (0, 45), "train": (45, 70), "validation": (70, 85), "test": (85, 100)}[query_set]
    every = (
        _join(opener, core).replace("{noun}", noun)
        for opener in _QUERY_OPENERS
        for core in _QUERY_CORES[kind]
        for noun in _NOUNS
    )
    return tuple(template for template in every if bounds[0] <= _bucket(template) < bounds[1])


def _facts(cores: tuple[str, ...], fact_set: FactSet) -> tuple[str, ...]:
    every = (_join(opener, core) for opener in _FACT_OPENERS for core in cores)
    return tuple(template for template in every if (_bucket(template) < 50) == (fact_set == "strong"))


@cache
def rate_templates(fact_set: FactSet) -> tuple[str, ...]:
    """Returns sentences stating a rate; fields `drug` and `rate`."""
    return _facts(tuple(core.replace("{each}", each) for core in _RATE_CORES for each in ("per", "for each")), fact_set)


@cache
def class_templates(fact_set: FactSet) -> tuple[str, ...]:
    """Returns sentences stating a class; fields `drug` and `drug_class`."""
    return _facts(_CLASS_CORES, fact_set)


@cache
def look_templates(fact_set: FactSet) -> tuple[str, ...]:
    """Returns sentences about the appearance, irrelevant to any query; fields `drug`, `colour` and `form`."""
    return _facts(_LOOK_CORES, fact_set)


@cache
def vague_templates(fact_set: FactSet) -> tuple[str, ...]:
    """Returns sentences that state nothing; no fields."""
    return _facts(_VAGUE, fact_set)
