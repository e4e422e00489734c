"""Finding plug-ins and files by name."""

from pathlib import Path

import pytest

import cowest
from cowest import plugins
from cowest.errors import InputError

FOLDERS = ["annotators", "formats", "methods", "models.providers", "tasks"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_every_axis_is_a_plug_in(folder: str) -> None:
    names = plugins.choices(f"cowest.{folder}")
    assert names
    for name in names:
        assert callable(plugins.load(name, f"cowest.{folder}", "thing"))


def test_code_outside_is_reached_by_module_and_class() -> None:
    assert plugins.load("tests.worlds:Sums", "cowest.tasks", "task").name == "sums"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jsnol", r"There is no task named 'jsnol'\. Did you mean 'jsonl'\?"),
        ("no_such_module:Thing", "cannot be imported"),
        ("tests.worlds:Nothing", "has no 'Nothing'"),
        ("base", "There is no task"),
    ],
)
def test_an_unknown_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plugins.load(name, "cowest.tasks", "task")


def test_paths_and_package_paths() -> None:
    assert plugins.resolve_path("a/b.jsonl") == Path("a/b.jsonl")
    assert plugins.resolve_path("cowest:prompts/judge.txt").is_file()
    assert plugins.resolve_path("C:/data/x.jsonl") == Path("C:/data/x.jsonl")


def test_the_public_face_names_what_exists() -> None:
    for name in cowest.__all__:
        assert getattr(cowest, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cowest.nothing


def test_the_home_of_nobody_is_an_ordinary_path() -> None:
    assert plugins.resolve_path("~no-such-user/x.jsonl") == Path("~no-such-user/x.jsonl")


def test_a_name_without_a_module_is_refused() -> None:
    with pytest.raises(InputError, match="names no module"):
        plugins.load(":Task", "cowest.tasks", "task")


def test_an_option_that_a_task_does_not_take_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"task\.anwser: there is no such key\. Did you mean 'answer'\?"):
        cowest.task("jsonl", train="x.jsonl", anwser="a")
