"""The examples in the docstrings of the public names run and give what they show."""

import doctest
from pathlib import Path

import pytest

import cowest

WITHOUT = {"endpoint", "gate", "run", "run_bench", "serve"}
"""Whole recipes, which take longer than an example may: tests/test_verbs.py and the notebook run them."""

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples_of(name: str) -> list[doctest.Example]:
    text = (cowest if name == "cowest" else getattr(cowest, name)).__doc__ or ""
    return doctest.DocTestParser().get_examples(text, name)


@pytest.mark.parametrize("name", ["cowest", *sorted(set(cowest.__all__) - WITHOUT)])
def test_the_example_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name in ("align", "sft"):
        pytest.importorskip("trl")
    found = examples_of(name)
    assert found, f"the docstring of cowest.{name} needs an example"
    test = doctest.DocTest(found, {}, name, None, None, None)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not said, "".join(said)


def test_whole_recipes_are_without_an_example_that_would_have_to_run() -> None:
    assert set(cowest.__all__) >= WITHOUT
    assert not any(examples_of(name) for name in WITHOUT)
