"""The labeller's lessons: what makes a draft better, that no order is preferred, and the very prompt of RLAIF."""

import random
import re

import pytest
from transformers import AutoTokenizer

from cowest.lab import world
from cowest.lab.facts import stated_facts
from cowest.lab.labeller_lessons import (
    GRADES,
    Grade,
    better,
    checking_drill,
    comparing_lesson,
    draft_pair,
    public_query,
    write_draft,
)
from cowest.lab.lessons import encode, vocabulary_text
from cowest.lab.templates import PROMPTS_FOLDER, render
from cowest.lab.tokenizer import MAX_LENGTH
from cowest.plugins import resolve_path
from cowest.prompts import Prompts

WORLD = world.make_world(0)
NAMES = WORLD.public_names
TOKENIZER = AutoTokenizer.from_pretrained(resolve_path("cowest.lab:assets/strong-a"))


@pytest.mark.parametrize("grade", GRADES)
def test_a_draft_is_of_its_grade(grade: Grade) -> None:
    source = random.Random(grade)
    for _ in range(200):
        query = public_query(NAMES, "strong", source)
        draft = write_draft(query, grade, "strong", source)
        facts = stated_facts(draft.text.partition("\nAnswer:")[0])
        answer = draft.text.rpartition(" ")[2]
        if query.kind == "class":
            stated = list(facts.classes)
        else:
            assert "words" not in facts.notations
            stated = [str(rate * query.weight) for rate in facts.rates]
        if grade == "no fact":
            assert stated == []
        else:
            assert (stated == [answer]) == (grade == "follows")


def test_the_better_draft_wins_in_both_orders_and_a_tie_is_split() -> None:
    source = random.Random("pairs")
    seen = set()
    for _ in range(300):
        _, first, second = draft_pair(NAMES, "strong", "strong", source)
        assert first.text != second.text
        votes = better(first, second), better(second, first)
        if first.grade == second.grade:
            assert votes == ("1", "1")
        else:
            winner = first if votes[0] == "1" else second
            assert winner.grade == min(first.grade, second.grade, key=GRADES.index)
            assert sorted(votes) == ["1", "2"]
        seen.add((first.grade, second.grade))
    assert len(seen) == len(GRADES) ** 2


def test_a_lesson_asks_with_the_prompt_that_rlaif_builds() -> None:
    values = {"query": "Q?", "first": "Answer: 1", "second": "Answer: 2"}
    (message,) = Prompts("cowest.lab:prompts").render("rlaif_compare", **values, mark="-x")
    assert message.content == render("rlaif_compare", **values)
    lesson = comparing_lesson(NAMES, random.Random(0))
    assert message.content.rpartition("\n")[2] in lesson.segments[0][0]


def test_a_lesson_holds_no_private_name_and_fits_the_context() -> None:
    source = random.Random("lessons")
    lessons = [comparing_lesson(NAMES, source) for _ in range(300)]
    private = {drug.name for drug in WORLD.drugs}
    for lesson in lessons:
        assert private.isdisjoint(re.findall("[a-z]+", vocabulary_text(lesson)))
    assert max(len(ids) for ids, _ in encode(lessons, TOKENIZER)) < MAX_LENGTH // 2


def test_the_labs_templates_are_spelled_in_words_that_its_models_know() -> None:
    for path in PROMPTS_FOLDER.glob("*.txt"):
        text = re.sub(r"\{[{%].*?[%}]\}", "", path.read_text())
        for word in re.findall("[A-Za-z]+", text):
            assert min(len(TOKENIZER.tokenize(form)) for form in (word, f" {word}")) == 1, (path.name, word)


@pytest.mark.parametrize("is_whole", [False, True])
def test_the_verdict_of_a_check_is_that_of_its_two_numbers(is_whole: bool) -> None:
    source = random.Random("checks")
    verdicts = set()
    for _ in range(200):
        (line, _), (verdict, _) = checking_drill(is_whole, source).segments
        working = r" (?P<rate>\d+) mg per kg: (?P=rate) x (?P<weight>\d+)" if is_whole else ""
        found = re.fullmatch(rf" wrote (?P<number>\d+)\.{working} = (?P<other>\d+)", line)
        assert found is not None
        if is_whole:
            assert int(found["rate"]) * int(found["weight"]) == int(found["other"])
        assert verdict == (" same" if found["number"] == found["other"] else " different")
        verdicts.add(verdict)
    assert len(verdicts) == 2
