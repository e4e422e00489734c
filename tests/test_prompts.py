"""Prompt templates: the fields and order of Figure 7, and replacement by a user's folder."""

import functools
from pathlib import Path

import pytest

from cowest import answers, prompts
from cowest.errors import InputError
from cowest.prompts import Prompts
from cowest.prompts.declared import templates_of, uses


def text(name: str, **values: str) -> str:
    return Prompts().render(name, **values)[0].content


def in_order(whole: str, *parts: str) -> bool:
    """Whether the parts occur one after the other."""
    position = 0
    for part in parts:
        position = whole.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True


def test_fields_stand_in_the_order_of_figure_7() -> None:
    assert in_order(
        text("refine", query="QQ", draft="DD"), "expert", "Query: QQ", "wrote:", "DD", "Explanation:", "Answer:"
    )
    assert in_order(text("solo_chain_of_thought", query="QQ"), "QQ", "Explanation:", "Answer:")
    assert in_order(text("draft_chain_of_thought", query="QQ"), "QQ", "reasoning", "result")
    rubric = text("judge", reference="RR", output="OO")
    assert in_order(rubric, "1 to 10", "\n1:", "\n3:", "\n6:", "\n10:", "RR", "OO", "whole number from 1 to 10")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("draft_chain_of_thought", {}),
        ("draft_direct_answer", {}),
        ("solo_chain_of_thought", {}),
        ("solo_direct", {}),
        ("solo_with_passages", {"passages": "PP"}),
        ("refine", {"draft": "DD"}),
        ("super_icl", {"prediction": "PP", "demonstrations": ""}),
    ],
)
def test_every_prompt_asks_for_a_mark_that_is_read_and_holds_no_answer_itself(
    name: str, values: dict[str, str]
) -> None:
    prompt = text(name, query="QQ", **values)
    assert "Answer:" in prompt or "final result" in prompt
    assert answers.parse(prompt).final is None
    assert answers.parse(prompt + "\nExplanation: two\nAnswer: 4").final == "4"


def test_what_a_model_wrote_is_never_rendered() -> None:
    assert "{{ query }}" in text("refine", query="Q", draft="{{ query }} {% for x in y %}")


def test_a_folder_replaces_templates_by_name(tmp_path: Path) -> None:
    (tmp_path / "refine.txt").write_text("Mine: {{ draft }} / {{ query }}\n")
    mine = Prompts(tmp_path)
    assert mine.render("refine", query="Q", draft="D")[0].content == "Mine: D / Q"
    assert mine.version("refine") != Prompts().version("refine")
    assert mine.version("judge") == Prompts().version("judge")


def test_wrong_folders_and_templates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Prompts(tmp_path / "none")
    (tmp_path / "refin.txt").write_text("x")
    with pytest.raises(InputError, match="Did you mean 'refine'"):
        Prompts(tmp_path)
    (tmp_path / "refin.txt").rename(tmp_path / "refine.txt")
    (tmp_path / "refine.txt").write_text("{{ qury }}")
    with pytest.raises(InputError, match=r"'qury' is undefined.*draft, query"):
        Prompts(tmp_path).render("refine", query="Q", draft="D")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("refine.txt", b"{{ query", "cannot be rendered"),
        ("refine.txt", b"{% include 'judge.txt' %}", "'include' is not allowed"),
        ("refine.txt", b"{% extends 'judge.txt' %}", "'extends' is not allowed"),
        ("refine.txt", b"{{ 'a' * 10 ** 10 }}", "'mul' is not allowed"),
        ("refine.txt", b"{{ 'a'.ljust(10000000000) }}", "'call' is not allowed"),
        ("refine.txt", b"{{ query | center(10000000000) }}", "'filter center' is not allowed"),
        (
            "refine.txt",
            b"{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
            "not allowed",
        ),
        ("refine.txt", b"{% set a = query ~ query %}{{ a }}", "'assign' is not allowed"),
        ("refine.txt", b"{{ " + b"(" * 100000 + b"query" + b")" * 100000 + b" }}", "cannot be rendered"),
        ("refine.txt", b"{{ query | nofilter }}", "is not allowed"),
        ("refine.txt", b"{{ question }}", "'question' is undefined. Its variables are: draft, query"),
        ("judge.txt", b"\xff\xfe", "cannot be read"),
        ("notes.md", b"", "holds no template"),
    ],
)
def test_a_folder_with_a_fault_is_refused_at_once(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        Prompts(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="is no folder"):
        Prompts(tmp_path / "x")


def test_versions_of_some_templates() -> None:
    assert Prompts().versions(["refine", "judge"]) == {name: Prompts().version(name) for name in ("judge", "refine")}
    with pytest.raises(InputError, match=r"no prompt template 'refin'.*Did you mean 'refine'"):
        Prompts().versions(["refin"])


def test_a_declaration_is_of_the_thing_itself() -> None:
    @uses("refine")
    class Parent:
        pass

    class Child(Parent):
        pass

    @functools.wraps(uses("refine")(lambda: None))
    def wrapper() -> None:
        pass

    assert templates_of(Parent) == {"refine"}
    assert templates_of(wrapper) is None
    assert templates_of(Child) is templates_of(len) is templates_of(3) is None
    assert templates_of(uses()(lambda: 1)) == set()


@pytest.mark.parametrize("name", ["judge", "rlaif_compare"])
def test_a_template_for_judged_text_says_where_it_lacks_the_mark(tmp_path: Path, name: str) -> None:
    built_in = (prompts.BUILT_IN / f"{name}.txt").read_text()
    (tmp_path / f"{name}.txt").write_text("Shorter. " + built_in)
    (tmp_path / "refine.txt").write_text("{{ query }} {{ draft }}")  # nothing is judged here
    assert Prompts(tmp_path).unfenced == {}
    (tmp_path / f"{name}.txt").write_text(built_in.replace('{{ mark | default("") }}', ""))
    (warning,) = Prompts(tmp_path).unfenced.values()
    assert f"{name}.txt' has no {{{{ mark }}}}" in warning
    assert '<<<OUTPUT{{ mark | default("") }}' in warning
