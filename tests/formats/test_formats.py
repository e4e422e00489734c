"""Formats: conformance of every file, and what each teaches."""

import pytest

from cowest import plugins
from cowest.formats import load_format
from cowest.prompts import Prompts
from cowest.types import Example

WITH = Example(id="1", query="q", references=("4", "four"), explanation="Two and two.")
WITHOUT = Example(id="2", query="q", references=("4",))


@pytest.mark.parametrize("name", plugins.choices("cowest.formats"))
def test_every_format_conforms(name: str) -> None:
    draft_format = load_format(name)
    assert draft_format.name == name
    assert "q-u-e-r-y" in Prompts().render(draft_format.template, query="q-u-e-r-y")[0].content
    target = draft_format.target(WITH)
    assert target is not None
    answer = draft_format.parse(target)
    assert answer.final in ("4", None)
    assert draft_format.parse("").final is None


def test_targets() -> None:
    targets = {name: load_format(name).target(WITH) for name in plugins.choices("cowest.formats")}
    assert targets == {
        "chain_of_thought": "Explanation: Two and two.\nAnswer: 4",
        "direct_answer": "Answer: 4",
        "domain_knowledge": "Two and two.",
    }
    without = {name: load_format(name).target(WITHOUT) for name in targets}
    assert without == {"chain_of_thought": "Answer: 4", "direct_answer": "Answer: 4", "domain_knowledge": None}
