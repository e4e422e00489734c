"""A key is in the headers of a request and nowhere else: no file, no log, no traceback, no page."""

import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.cli import main as cli
from cowest.models.retrying import Retrying
from cowest.types import ChatRequest
from tests.models.providers.endpoint import Endpoint, chat
from tests.recipes import recipe_of

KEY = "sk-canary-8d1f2c7be04a"
PROVIDERS: dict[str, dict[str, Any]] = {
    "openai": {"model": "openai/m"},
    "azure": {"model": "azure/m"},
    "azure, dated": {"model": "azure/m", "options": {"api_version": "2024-10-21"}},
    "anthropic": {"model": "anthropic/m"},
    "google": {"model": "google/m"},
}
FAILURES = {
    "bad key": (401, {"error": {"message": f"{KEY} is no key of ours", "code": 401, "status": "UNAUTHENTICATED"}}),
    "refused": (400, {"error": {"message": f"not with {KEY}", "code": KEY, "type": KEY, "status": KEY}}),
    "no chat endpoint": (200, {"you sent": KEY}),
    "not JSON": (200, f'{{"you sent": "{KEY}"'.encode()),
}


def say(request: ChatRequest) -> str:
    """What the strong model and the judge say, who also tell the key."""
    if "OUTPUT>>>" in request.messages[-1].content:
        return "7"
    return f"Explanation: I was called with {KEY}.\nAnswer: 7"


def write_recipe(folder: Path, endpoint: Endpoint, **strong: Any) -> Path:
    url = endpoint.url if strong["model"].startswith("openai/") else endpoint.root
    recipe = recipe_of(folder / "run", judge="strong", feedback__queries=3, feedback__samples=2, evaluate__limit=2)
    recipe["strong"] = {**strong, "base_url": url, "api_key_env": "COWEST_TEST_CANARY"}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Everything that a command prints, with the traceback that Python would print."""
    try:
        ended = f"status {cli.main(arguments)}"
    except BaseException as error:
        ended = "".join(traceback.format_exception(error))
    captured = capsys.readouterr()
    return captured.out + captured.err + ended


@pytest.fixture(autouse=True)
def everything_is_logged_and_tried_again_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COWEST_TEST_CANARY", KEY)
    caplog.set_level(logging.DEBUG)
    monkeypatch.setitem(Retrying.__init__.__kwdefaults__, "first_wait_s", 0.01)


def test_a_whole_run_with_an_endpoint_that_tells_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with Endpoint() as endpoint:
        endpoint.body = chat(say)
        recipe = str(write_recipe(tmp_path, endpoint, model="openai/m"))
        printed = [run(capsys, verb, recipe) for verb in ("doctor", "feedback", "evaluate")]
        printed.append(run(capsys, "ask", recipe, "What is 3 plus 4?", "--show-draft"))
        printed.append(run(capsys, "show", str(tmp_path / "run")))
        assert [text.endswith("status 0") for text in printed] == [True] * 5, printed
        assert all(heard["authorization"] == f"Bearer {KEY}" for heard in endpoint.heard)
        assert KEY not in str(endpoint.asked) + str(endpoint.paths)
    assert KEY not in "".join(printed)
    assert any(record.name.startswith("httpx") for record in caplog.records)
    assert KEY not in caplog.text
    assert b"I was called with [key]" in written(tmp_path / "run/evaluate")
    assert KEY.encode() not in written(tmp_path)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, provider: str, failure: str
) -> None:
    with Endpoint() as endpoint:
        endpoint.status, endpoint.body = FAILURES[failure]
        recipe = str(write_recipe(tmp_path, endpoint, **PROVIDERS[provider]))
        printed = run(capsys, "feedback", recipe, "--debug")
        assert KEY in str(endpoint.heard)
        assert KEY not in str(endpoint.asked) + str(endpoint.paths)
    assert KEY not in printed
    assert KEY not in caplog.text
    assert KEY.encode() not in written(tmp_path)
    if failure == "bad key":
        assert "EndpointError" in printed
        assert "[key]" in printed


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_does_not_follow_a_redirect(tmp_path: Path, capsys: pytest.CaptureFixture[str], provider: str) -> None:
    with Endpoint() as elsewhere, Endpoint() as endpoint:
        endpoint.status, endpoint.headers = 307, {"Location": elsewhere.url}
        printed = run(capsys, "feedback", str(write_recipe(tmp_path, endpoint, **PROVIDERS[provider])))
        assert printed.endswith("status 3")
        assert "redirects (307), which is not followed" in " ".join(printed.split())
        assert endpoint.heard
        assert not elsewhere.heard


def test_a_process_of_its_own_with_the_packages_own_logging(tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        endpoint.status, endpoint.body = FAILURES["bad key"]
        recipe = write_recipe(tmp_path, endpoint, model="openai/m")
        code = "import logging, sys; logging.basicConfig(level=0); from cowest.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-X", "dev", "-c", code, "feedback", str(recipe), "--debug"]
        environment = {**os.environ, "OPENAI_LOG": "debug"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 1  # a traceback was asked for
    assert "Traceback" in done.stderr
    assert "DEBUG" in done.stderr
    assert KEY not in done.stdout + done.stderr
    assert KEY.encode() not in written(tmp_path)
