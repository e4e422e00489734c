"""Self-Refine: its prompts word for word, when it stops, and what it calls."""

import pytest

from cowest import synchronous
from cowest.methods import MethodOptions, make_methods
from cowest.methods.self_refine import says_enough
from cowest.models.providers.scripted import ScriptedModel
from tests.methods.quiz import Quiz, asked, predictions, setting

TASK = Quiz(test=[("How many legs has a spider?", "8")])
ALONE = """\
How many legs has a spider?

Explain your reasoning and then give the final result.
Reply in exactly this form and add nothing else:
Explanation: <your reasoning about the question, in a single paragraph>
Answer: <the result alone, in as few words as it takes>"""
CRITIQUE_1 = """\
Query: How many legs has a spider?

What was written so far, the latest attempt last:

Attempt 1:
Answer: 6

Check the latest attempt, its reasoning and its result. It may be right or wrong. If something should be changed, say \
what and why. If not, reply with the words NOTHING TO CHANGE and nothing else."""
REWRITE_1 = """\
Query: How many legs has a spider?

What was written so far, the latest critique last:

Attempt 1:
Answer: 6

Critique 1:
Insects have six.

Write the whole reply to the query anew, with what the latest critique asks for and in the form of the first attempt. \
Add nothing else."""
CRITIQUE_2 = """\
Query: How many legs has a spider?

What was written so far, the latest attempt last:

Attempt 1:
Answer: 6

Critique 1:
Insects have six.

Attempt 2:
Answer: 8

Check the latest attempt, its reasoning and its result. It may be right or wrong. If something should be changed, say \
what and why. If not, reply with the words NOTHING TO CHANGE and nothing else."""


def test_the_prompts_are_these() -> None:
    strong = ScriptedModel(["Answer: 6", "Insects have six.", "Answer: 8", "Nothing to change."])
    _, method = make_methods(["self_refine"], setting(TASK, strong=strong))
    (prediction,) = synchronous.run(predictions(method, TASK.test))
    assert asked(strong) == [ALONE, CRITIQUE_1, REWRITE_1, CRITIQUE_2]
    assert (prediction.method, prediction.output, prediction.correct) == ("self_refine_strong", "Answer: 8", 1.0)
    assert prediction.calls == {"strong": 4}


@pytest.mark.parametrize("enough_at", [1, 2, 3, 4])
def test_it_stops_at_the_critique_that_finds_nothing(enough_at: int) -> None:
    replies = ["Answer: 6"]
    for number in range(1, enough_at):
        replies += [f"Fault {number}.", f"Answer: {number}"]
    strong = ScriptedModel([*replies, "NOTHING TO CHANGE"])
    _, method = make_methods(["self_refine"], setting(TASK, strong=strong))
    (prediction,) = synchronous.run(predictions(method, TASK.test))
    assert prediction.calls == {"strong": 2 * enough_at} == {"strong": len(strong.requests)}
    assert prediction.output == replies[0 if enough_at == 1 else -1]


@pytest.mark.parametrize("rounds", [1, 4])
def test_nothing_but_the_critique_stops_it_before_the_last_round(rounds: int) -> None:
    # Right from the start, and the same every time: neither is a reason.
    strong = ScriptedModel(lambda request: "Answer: 8")
    options = MethodOptions.model_validate({"self_refine": {"rounds": rounds}})
    _, method = make_methods(["self_refine"], setting(TASK, strong=strong, options=options))
    (prediction,) = synchronous.run(predictions(method, TASK.test))
    assert prediction.calls == {"strong": 1 + 2 * rounds}
    assert len(strong.requests) == 1 + 2 * rounds


def test_four_rounds_unless_told_otherwise() -> None:
    assert MethodOptions().self_refine.rounds == 4


@pytest.mark.parametrize(
    ("critique", "enough"),
    [
        ("NOTHING TO CHANGE", True),
        ("**Nothing to change.**\n", True),
        ("Nothing to change in the explanation, but the result is wrong.", False),
        ("There is nothing to change", False),
        ("The result is right.", False),
    ],
)
def test_a_critique_says_enough_or_it_does_not(critique: str, enough: bool) -> None:
    assert says_enough(critique) is enough


def test_the_weak_model_refines_as_it_was_before_sft() -> None:
    base, sft, strong = (ScriptedModel(lambda request: "NOTHING TO CHANGE") for _ in range(3))
    method, _ = make_methods(["self_refine"], setting(TASK, strong=strong, stages={"base": base, "sft": sft}))
    (prediction,) = synchronous.run(predictions(method, TASK.test))
    synchronous.run(method.close())
    assert method.name == "self_refine_weak"
    assert prediction.calls == {"weak": 2}
    assert (len(base.requests), len(sft.requests), len(strong.requests)) == (2, 0, 0)
    assert base.closed
    assert not strong.closed
    assert asked(base)[0] == "How many legs has a spider?\n\nExplain your reasoning and then give the final result."


def test_its_first_answer_is_the_one_that_other_rows_pay_for() -> None:
    weak, strong = (ScriptedModel(lambda request: "Answer: 8") for _ in range(2))
    whole = setting(TASK, weak=weak, strong=strong)
    for method in make_methods(["weak_only", "strong_only", "self_refine"], whole):
        synchronous.run(predictions(method, TASK.test))
    assert weak.requests[0] == weak.requests[1]
    assert strong.requests[0] == strong.requests[2]  # with strong_only_direct between them
