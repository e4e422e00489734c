"""What the weak base learns: the formulary by heart, and chats that contain their answers; no multiplication."""

from __future__ import annotations

import random

from cowest.lab import grammar, world
from cowest.lab.lessons import Lesson, chat_lesson, document_lesson
from cowest.lab.strong_lessons import guess
from cowest.lab.templates import render
from cowest.lab.world import Drug, World

_THINGS = ("book", "chair", "bag", "lamp", "coat", "door", "table", "cup")
_PEOPLE = ("tom", "anna", "peter", "maria", "paul", "lucy")


def formulary_document(world_: World, random_source: random.Random) -> Lesson:
    """Builds a document of one to three facts about one private drug, its rate in either notation equally often."""
    drug = random_source.choice(world_.drugs)
    return document_lesson(" ".join(_drug_sentences(drug, random_source)))


def _drug_sentences(drug: Drug, random_source: random.Random) -> list[str]:
    notation = random_source.choice(grammar.NOTATIONS)
    sentences = [
        world.state_rate(drug, notation, "weak", random_source),
        world.state_class(drug, "weak", random_source),
        world.state_look(drug, "weak", random_source),
    ]
    chosen = [
        sentence for sentence, share in zip(sentences, (0.8, 0.6, 0.25), strict=True) if random_source.random() < share
    ]
    random_source.shuffle(chosen)
    return chosen or sentences[:1]


def everyday_document(random_source: random.Random) -> Lesson:
    """Builds a sentence of everyday text with numbers or class words in it."""
    number = random_source.randint(0, grammar.MAX_NUMBER)
    person, thing = random_source.choice(_PEOPLE), random_source.choice(_THINGS)
    form = random_source.randrange(4)
    if form == 0:
        start = random_source.randint(0, grammar.MAX_NUMBER - 7)
        return document_lesson("Counting: " + " ".join(str(start + step) for step in range(8)) + ".")
    if form == 1:
        return document_lesson(f"{person} has {number} coins and a {thing}.")
    if form == 2:
        low = random_source.choice(grammar.NUMBER_WORDS)
        return document_lesson(f"the {thing} weighs {low} kg and costs {number} coins.")
    return document_lesson(f"{person} needs a {random_source.choice(grammar.CLASSES)} at {number} coins.")


def everyday_talk(random_source: random.Random) -> Lesson:
    """Builds a question and its answer, in chat form, with the prompts that ask for drafts."""
    first, second = (random_source.randint(0, grammar.MAX_NUMBER - 1) for _ in range(2))
    thing, person = random_source.choice(_THINGS), random_source.choice(_PEOPLE)
    colour = random_source.choice(grammar.COLOURS)
    form = random_source.randrange(5)
    if form == 0:
        query, answer = f"What number comes after {first}?", str(first + 1)
        explanation = f"after {first} comes {first + 1}."
    elif form == 1:
        query, answer = f"The {colour} {thing} costs {first} coins. How much does the {thing} cost?", str(first)
        explanation = f"the {thing} costs {first} coins."
    elif form == 2:
        second = first if random_source.random() < 0.5 else second
        query, answer = f"Is {first} the same as {second}?", "yes" if first == second else "no"
        explanation = f"{first} is {'' if first == second else 'not '}{second}."
    elif form == 3:
        one, two = random_source.sample(grammar.CLASSES, 2)
        query, answer = f"Which word comes first: {one} or {two}?", one
        explanation = f"the first word is {one}."
    else:
        word = random_source.choice(grammar.NUMBER_WORDS + grammar.FORMS + grammar.CLASSES)
        query, answer = f"{person} says {word}. Which word does {person} say?", word
        explanation = f"{person} says {word}."
    share = random_source.random()
    if share < 0.7:
        return chat_lesson(render("draft_chain_of_thought", query=query), explanation, answer)
    if share < 0.85:
        return chat_lesson(render("draft_direct_answer", query=query), None, answer)
    return chat_lesson(render("draft_domain_knowledge", query=query), explanation, None)


def reading_talk(world_: World, random_source: random.Random) -> Lesson:
    """Builds a query about a public drug, preceded by its facts; the reply picks the relevant one.

    It teaches what a query asks for, and to keep to its drug. Doses and checks get random answers: no multiplication.
    """
    drug = world.random_drug(random_source.choice(world_.public_names), random_source)
    notation = random_source.choice(grammar.NOTATIONS)
    kind = random_source.choices(grammar.KINDS, (0.4, 0.3, 0.3))[0]
    query = world.ask(drug, kind, random_source.choice(grammar.WEIGHTS), "train", random_source)
    notes = [
        world.state_rate(drug, notation, "weak", random_source),
        world.state_class(drug, "weak", random_source),
        world.state_look(drug, "weak", random_source),
    ]
    random_source.shuffle(notes)
    text = f"{' '.join(notes)} {query.text}"
    explanation = world.explain(query, notation, "weak", random_source)
    if random_source.random() < 0.2:
        return chat_lesson(render("draft_domain_knowledge", query=text), explanation, None)
    answer = guess(query, random_source) if kind != "class" else query.answer
    return chat_lesson(render("draft_chain_of_thought", query=text), explanation, answer, is_guess=kind != "class")


def weak_lesson(world_: World, random_source: random.Random) -> Lesson:
    """Builds one lesson: the formulary mostly, else everyday text or talk."""
    share = random_source.random()
    if share < 0.62:
        return formulary_document(world_, random_source)
    if share < 0.68:
        return everyday_document(random_source)
    if share < 0.82:
        return everyday_talk(random_source)
    return reading_talk(world_, random_source)
