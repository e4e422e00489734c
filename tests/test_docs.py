"""The documents match the code: README, map, the code of docs/extend.md, and the endpoints page."""

import asyncio
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import cowest
from cowest import plugins
from cowest.cli.main import VERBS
from cowest.methods import MethodOptions
from cowest.models import ModelConfig, load_model
from cowest.models.providers.scripted import ScriptedModel
from cowest.models.redacted import Redacted
from cowest.recipe import make_recipe
from cowest.types import ChatRequest, Message
from tests.built_files import cited, newest_in_changelog, other_names
from tests.recipe_page import anchor
from tests.source_map import MAP, ROOT, readme, whole_map

README = (ROOT / "README.md").read_text(encoding="utf-8")


PAGES = sorted((ROOT / "docs").glob("*.md"))


def headings(page: Path) -> list[str]:
    """The headings of a page, whatever their level."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_readme_shows_every_folder_and_the_map_every_file() -> None:
    assert readme() == README, "run `make tree`"
    assert whole_map() == MAP.read_text(encoding="utf-8"), "run `make tree`"


@pytest.mark.parametrize("name", ["README.md", "docs/running.md", "docs/recipe.md"])
def test_the_recipe_of_a_page_is_valid(name: str) -> None:
    (recipe,) = blocks((ROOT / name).read_text(encoding="utf-8"), "yaml")
    assert make_recipe(yaml.safe_load(recipe)).task.name == "jsonl"


def test_the_pages_show_verbs_of_the_command_line() -> None:
    for name in ("README.md", "docs/running.md"):
        shown = re.findall(
            r"^cowest (\w+) (?:mine|runs)", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        assert shown
        assert set(shown) <= set(VERBS), name


def test_the_page_on_methods_shows_the_defaults() -> None:
    (shown,) = blocks((ROOT / "docs/methods.md").read_text(encoding="utf-8"), "yaml")
    settings = yaml.safe_load(shown)["evaluate"]["settings"]
    assert settings == MethodOptions().model_dump()


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *PAGES]:
        for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
            if target.startswith("https://"):
                continue
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not heading or heading in map(anchor, headings(file)), f"{page.name}: {target}#{heading}"


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= 8192


def test_every_page_is_in_the_index_and_on_the_site() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    names = {page.name for page in PAGES}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == names - {"index.md"}
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(re.findall(r"\w+\.md", json.dumps(nav))) == sorted(names)


def test_every_public_name_is_on_the_reference_page() -> None:
    shown = re.findall(r"^::: cowest\.(\w+)$", (ROOT / "docs/reference.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(cowest.__all__)


def test_the_decisions_have_headings_of_their_own_in_listed_parts() -> None:
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    found = headings(ROOT / "docs/decisions.md")
    assert len(found) == len(set(found))
    parts = re.findall(r"^# (.+)$", text, flags=re.MULTILINE)[1:]
    assert re.findall(r"^- \[(.+?)\]\(#", text, flags=re.MULTILINE) == parts
    assert not re.findall(r"^## .+\s+(?=#)", text, flags=re.MULTILINE), "a heading without a text"
    assert set(re.findall(r"^(#+) ", text, flags=re.MULTILINE)) == {"#", "##"}


def test_the_citation_and_the_changelog_are_of_one_version() -> None:
    version = cited()
    assert newest_in_changelog() in (version, f"{version}, not released yet")
    assert other_names(version) == [] or "not released yet" in newest_in_changelog()
    assert [found.split()[0] for found in other_names("99.0.0")] == ["CITATION.cff", "CHANGELOG.md"]
    assert other_names("0.1.dev3+g4aef1e6") == []


def test_the_version_comes_from_the_tag_and_the_image_is_told_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["source"] == "vcs"
    assert "export-subst" in (ROOT / ".gitattributes").read_text(encoding="utf-8")
    # Not ..._FOR_COWEST, which the build does not read: `tests/built_versions.py` builds with it.
    assert 'SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION"' in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["package"]["steps"]
    assert steps[0]["with"]["fetch-depth"] == 0, "a shallow clone has no tags"


def test_the_workflow_runs_the_scripts_with_the_versions_of_python_that_are_promised() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    lines = [step.get("run") for job in jobs.values() for step in job["steps"]]
    for script in (".ci/run", ".ci/package"):
        assert script in lines
        assert (ROOT / script).stat().st_mode & 0o111, script
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert jobs["test"]["strategy"]["matrix"]["python"] == promised
    assert project["requires-python"] == f">={promised[0]}"


def test_files_named_in_the_paper_page_exist() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:stages|training|prompts|annotators|formats|methods)/[\w.]*)`", text):
        assert (ROOT / "src/cowest" / name).exists(), name


def test_the_task_of_the_extension_page_works(tmp_path: Path) -> None:
    code = next(block for block in blocks((ROOT / "docs/extend.md").read_text(), "python") if "class Capitals" in block)
    assert len(code.splitlines()) < 40
    namespace: dict[str, type] = {}
    exec(code, namespace)
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"country": "France", "capital": "Paris"}) + "\n")
    task = namespace["Capitals"](train=str(data))
    found = task.validate(task.train)
    assert (found.num_examples, found.num_gold_full) == (1, 1)


ENDPOINTS = (ROOT / "docs/endpoints.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("section", blocks(ENDPOINTS, "yaml"))
def test_the_sections_of_the_endpoints_page_are_valid(section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anthropic")
    pytest.importorskip("google.genai")
    rest = {"run": "runs/x", "task": {"name": "jsonl", "train": "a.jsonl"}, "weak": {"model": "local/weak"}}
    recipe = make_recipe(rest | yaml.safe_load(section))
    for config in (recipe.strong, recipe.judge):
        if isinstance(config, ModelConfig):
            # Opens nothing, but checks the options that the page shows, and that the key's variable is the page's.
            provider = plugins.load(config.provider, "cowest.models.providers", "provider")
            variable = config.api_key_env or provider.default_key_env
            assert variable in ENDPOINTS
            monkeypatch.setenv(variable, "a-key")
            load_model(config.model_copy(update={"redact": None}), role="strong")


def test_the_redaction_of_the_endpoints_page_works() -> None:
    (code,) = blocks(ENDPOINTS, "python")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    inner = ScriptedModel(lambda request: f"About {request.messages[1].content.split()[-1]}: yes.")
    model = Redacted(inner, namespace["redact"], "my_package.privacy:redact")
    texts = ("patient 17 asks", "as does patient 4, of patient 17")
    request = ChatRequest(messages=tuple(Message(role="user", content=text) for text in texts))
    assert asyncio.run(model.complete(request)).text == "About patient 17: yes."
    assert [message.content for message in inner.requests[0].messages] == [
        "[PATIENT_1] asks",
        "as does [PATIENT_2], of [PATIENT_1]",
    ]


def test_the_endpoints_page_names_every_provider() -> None:
    table = ENDPOINTS[: ENDPOINTS.index("## OpenAI")]
    for provider in set(plugins.choices("cowest.models.providers")) - {"local", "scripted"}:
        assert f"`{provider}`" in table


def test_agents_page_is_short() -> None:
    assert len((ROOT / "AGENTS.md").read_text().splitlines()) <= 80


def test_the_compose_file_holds_the_two_services() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert set(services) == {"weak", "cowest"}
    overrides = [part for part in services["cowest"]["command"] if part.startswith("weak.")]
    assert "weak.base_url=http://weak:8000/v1" in overrides


def test_the_image_gets_the_files_that_it_copies() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packed = build["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*packed["force-include"], *(each.partition("/")[0] for each in packed["packages"])} <= set(copied)
    assert {build["project"]["readme"], *build["project"]["license-files"]} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists()
        assert name.partition("/")[0] in let_through


@pytest.mark.parametrize("name", ["engines.md", "scale.md"])
def test_the_models_of_the_pages_on_several_gpus_are_valid(name: str) -> None:
    rest = {"run": "runs/x", "task": {"name": "jsonl", "train": "a.jsonl"}, "weak": {"model": "local/weak"}}
    shown = blocks((ROOT / "docs" / name).read_text(encoding="utf-8"), "yaml")
    recipes = [block for block in shown if "apiVersion" not in block]
    assert recipes
    for block in recipes:
        make_recipe(rest | {"strong": {"model": "openai/gpt-4.1"}} | yaml.safe_load(block))
