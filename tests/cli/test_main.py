"""The command line: quick help, exit statuses, one clear paragraph."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from cowest.cli import main as cli
from tests.endpoint import Behaviour, serving
from tests.recipes import recipe_of
from tests.report import sample
from tests.training import tiny


def write_recipe(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_of(tmp_path / "run", **changes)))
    return str(path)


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = cli.main(arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, " ".join(captured.err.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, cowest, cowest.cli.main; cowest.cli.main.make_parser(); print([m for m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("torch", "transformers", "trl", "openai", "pydantic", "rich", "numpy"):
        assert f"'{heavy}'" not in done.stdout


def test_help_is_quick_and_names_every_verb() -> None:
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "cowest", "--help"], capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 5  # the promise of 0.4 s is measured in benchmarks/, on an idle machine
    for verb in cli.VERBS:
        assert verb in done.stdout


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("cowest ev", ["evaluate"]),
        ("cowest do", ["doctor"]),
        ("cowest init --tr", ["--train"]),
        ("cowest evaluate mine.yaml --js", ["--json"]),
        ("cowest show runs/m", ["runs/mine/"]),
    ],
)
def test_the_shell_completes_verbs_flags_and_files(tmp_path: Path, line: str, completions: list[str]) -> None:
    (tmp_path / "runs/mine").mkdir(parents=True)
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    asked["_ARGCOMPLETE_STDOUT_FILENAME"] = str(tmp_path / "completions")
    subprocess.run([sys.executable, "-m", "cowest"], cwd=tmp_path, env={**os.environ, **asked}, check=True)
    assert [each.strip() for each in (tmp_path / "completions").read_text().split("\n")] == completions


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([verb, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: cowest" in shown
    examples = shown.partition("examples:\n")[2].splitlines()
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        while words[0] != "cowest":
            words.pop(0)  # a variable, or `accelerate launch -m`
        options = cli._parse(cli.make_parser(), words[1:])
        assert options.verb == verb or verb == "bench"


def test_bad_input_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "none.yaml")
    status, said = failing(capsys, "run", missing)
    assert status == 2
    assert said.startswith(f"cowest: The recipe {missing!r} cannot be read: No such file or directory")
    status, said = failing(capsys, "feedback", write_recipe(tmp_path), "feedback.smaples=3")
    assert status == 2
    assert "feedback.smaples" in said
    assert "Did you mean 'samples'?" in said
    status, said = failing(capsys, "feedback", write_recipe(tmp_path, task__train=None))
    assert status == 2
    assert "no task.train" in said
    assert not (tmp_path / "run/round-1").exists()


def test_unknown_verbs_and_flags_are_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["feedbak"], ["run"], ["show", "x", "--jsn"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        assert stopped.value.code == 2


def test_an_endpoint_that_is_gone_is_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, strong__model="scripted/tests.cli.test_main:refuse")
    status, said = failing(capsys, "feedback", recipe)
    assert status == 3
    assert "the key was refused" in said


def refuse(request: Any) -> Exception:
    from cowest.errors import EndpointError

    return EndpointError("the key was refused")


def stop(request: Any) -> BaseException:
    return KeyboardInterrupt()


def test_ctrl_c_is_status_130(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    def interrupted(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cowest.pipeline.Pipeline.feedback", interrupted)
    status, said = failing(capsys, "feedback", write_recipe(tmp_path))
    assert status == 130
    assert "same command continues" in said


def test_feedback_evaluate_show_and_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path)
    assert cli.main(["feedback", recipe]) == 0
    assert cli.main(["evaluate", recipe]) == 0
    printed = capsys.readouterr().out
    assert "collaborate_served" in printed
    assert str(tmp_path / "run/report.html") in "".join(printed.split("\n"))
    assert (tmp_path / "run/report.html").is_file()
    assert cli.main(["show", str(tmp_path / "run")]) == 0
    assert "pairs" in capsys.readouterr().out
    assert cli.main(["show", str(tmp_path / "run"), "--json"]) == 0
    json.loads(capsys.readouterr().out)
    assert cli.main(["ask", recipe, "What is 4 plus 5?", "--show-draft", "strong.timeout_s=9"]) == 0
    assert "Explanation: strong" in capsys.readouterr().out


def test_doctor_passes_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", write_recipe(tmp_path)]) == 0
    assert "20 gold answers score full marks" in capsys.readouterr().out
    assert cli.main(["doctor", write_recipe(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_faults"] == 0
    assert {"finding": "fine", "line": "train: 20 examples; 20 gold answers score full marks"} in found["checks"]
    status = cli.main(["doctor", write_recipe(tmp_path, weak__model=f"local/{tmp_path}/none")])
    captured = capsys.readouterr()
    assert status == 2
    assert "✗ weak:" in captured.out
    assert cli.main(["doctor", write_recipe(tmp_path, weak__model=f"local/{tmp_path}/none"), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    (fault,) = [check for check in found["checks"] if check["finding"] == "fault"]
    assert (found["num_faults"], fault["line"][:5]) == (1, "weak:")


def test_a_model_that_the_endpoint_lacks_is_a_fault_with_the_names_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Behaviour(known_models=frozenset({"qwen3-8b", "qwen3-32b", "llama:latest"}))) as served:
        for name, status in {"qwen3-8": 2, "qwen3-8b": 0, "llama": 0}.items():
            recipe = write_recipe(tmp_path, strong={"model": f"openai/{name}", "base_url": served.url})
            assert cli.main(["doctor", recipe]) == status
            said = capsys.readouterr().out
            assert ("✗ strong: the endpoint has no model 'qwen3-8'. Did you mean 'qwen3-8b'?" in said) == bool(status)
            assert ("It has 3 models: 'llama:latest', 'qwen3-32b', 'qwen3-8b'." in said) == bool(status)


def test_results_as_json_are_all_that_is_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, rounds=1)
    assert cli.main(["evaluate", recipe, "--json"]) == 0
    captured = capsys.readouterr()
    file = json.loads((tmp_path / "run/evaluate/results.json").read_text())
    assert json.loads(captured.out)["methods"] == file["methods"]
    assert f"{tmp_path}/run/report.html" in captured.err


def test_a_bench_as_json_is_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cowest.bench.run_bench", lambda *given, **options: sample.bench())  # it trains for minutes
    assert cli.main(["bench", write_recipe(tmp_path), "--json"]) == 0
    sample.bench().write(tmp_path / "bench.json")
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "bench.json").read_text())


def test_loading_a_local_model_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cowest.models.providers._local_weights import ModelFolder
    from cowest.models.providers.local import LocalModel, LocalOptions

    (tmp_path / "config.json").write_text("{}")
    folder = ModelFolder(base=tmp_path, adapter=None, tokenizer=tmp_path)
    model = LocalModel("local/small", folder, LocalOptions(device="cpu"), 0)
    made = SimpleNamespace(wait_for_its_turn=lambda: None)
    engine = SimpleNamespace(Engine=lambda *given, **options: made)  # the real one needs seconds for torch
    monkeypatch.setitem(sys.modules, "cowest.models.providers._local_engine", engine)
    model._prepare()
    model._prepare()
    assert capsys.readouterr().err.count("loading the model local/small") == 1


@pytest.mark.parametrize(
    "arguments", [("run", "none.yaml"), ("show", "none"), ("doctor", "mine.yaml"), ("run", "mine.yaml", "prompts=none")]
)
def test_a_relative_path_is_said_with_the_folder_it_counts_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {"task": {"name": "jsonl", "train": "none.csv", "test": "none.csv"}}
    Path("mine.yaml").write_text(yaml.safe_dump(recipe_of(Path("run"), **changes)))
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert f"Looked for in the current folder, {str(tmp_path)!r}" in " ".join((captured.out + captured.err).split())


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    from cowest.errors import InputError

    with pytest.raises(InputError):
        cli.main(["--debug", "run", str(tmp_path / "none.yaml")])


def test_a_file_in_the_way_is_one_paragraph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/round-1").write_text("")
    assert failing(capsys, "feedback", write_recipe(tmp_path))[0] == 2
    (tmp_path / "run/evaluate/results.json").mkdir(parents=True)
    status, said = failing(capsys, "evaluate", write_recipe(tmp_path))
    assert status == 1
    assert "cannot be written" in said
    assert "results.json" in said


def test_doctor_names_what_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    recipe = write_recipe(tmp_path, feedback__kind="nope", run=str(tmp_path / "file"))
    assert cli.main(["doctor", recipe]) == 2
    printed = capsys.readouterr().out
    assert re.search("✗ .*kind of feedback named 'nope'", printed)
    assert "✗ the run folder" in printed


@pytest.mark.parametrize(("size", "mark"), [(16_060_000_000, "!"), (10**18, "✗")])
def test_doctor_says_what_would_be_downloaded_and_fetches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, size: int, mark: str
) -> None:
    def snapshot_download(name: str, *, dry_run: bool = False, **options: Any) -> Any:
        assert (name, dry_run) == ("some-org/some-8b", True)
        return [SimpleNamespace(file_size=size, will_download=True)]

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100e9))
    assert cli.main(["doctor", write_recipe(tmp_path, weak__model="local/some-org/some-8b")]) == (2 * (mark == "✗"))
    printed = capsys.readouterr().out
    assert re.search(rf"{mark} weak: local/some-org/some-8b .*downloads {size / 1e9:.1f} GB", printed)
    assert ("and '" in printed and "has 100.0 GB free" in printed) == (mark == "✗")


def test_an_adapter_of_another_shape_is_refused_before_feedback_is_paid_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, adapter = tiny.build(tmp_path / "base"), tmp_path / "adapter"
    adapter.mkdir()
    settings = {"base_model_name_or_path": str(base), "r": 8, "lora_alpha": 16}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    recipe = write_recipe(tmp_path, weak={"model": f"local/{base}"}, sft={"from": str(adapter)})
    assert cli.main(["doctor", recipe]) == 2
    assert "✗ sft.from: " in capsys.readouterr().out
    for verb in ("run", "feedback"):
        status, said = failing(capsys, verb, recipe)
        assert status == 2
        assert re.search("r=8 and alpha=16.*lora.*r=16 and alpha=16", said)
    assert not (tmp_path / "run/ledger.sqlite").exists()
    cli.main(["doctor", recipe, "lora.r=8"])
    printed = capsys.readouterr().out
    assert "sft.from" not in printed
    assert f"✓ weak before SFT: local/{base}" in printed


def test_a_judge_template_without_its_mark_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "judge.txt").write_text("From 1 to 10: {{ output }} for {{ reference }}")
    recipe = write_recipe(tmp_path, prompts=str(tmp_path / "prompts"))
    assert cli.main(["doctor", recipe]) == 0
    assert "! the prompt template" not in capsys.readouterr().out  # the judge is a program
    recipe = write_recipe(tmp_path, prompts=str(tmp_path / "prompts"), judge="strong")
    assert cli.main(["doctor", recipe]) == 0
    assert "! the prompt template" in capsys.readouterr().out
    cli.main(["align", recipe])
    assert "judge.txt' has no {{ mark }}" in capsys.readouterr().err


def test_doctor_names_rows_that_repeat_contradict_and_overlap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("Which river runs through Ulm?", "Danube"), ("Which runs through Bonn?", "Rhine"), ("Ulm?", "Iller")]
    rows += [("which river runs  through Ulm?", "Danube"), ("Which river runs through Ulm?", "Iller")]
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("question,answer\n" + "".join(f"{question},{answer}\n" for question, answer in rows))
    test.write_text("question,answer\nWhich runs through Bonn?,Rhine\n")
    options = {"task": {"name": "jsonl", "train": str(train), "test": str(test)}}
    recipe = write_recipe(tmp_path, **options)
    assert cli.main(["doctor", recipe]) == 2
    printed = capsys.readouterr().out
    assert re.search(r"! train: 1 rows that repeat .*\n +row 4, query: .* row 1\b", printed)
    assert re.search(r"! train: 1 rows that contradict .*\n +row 5, references: .* row 1\b", printed)
    assert re.search(r"✗ 1 rows .*two splits.*task\.overlap: drop", printed)
    assert re.search("row 2, train: .* row 1 of test", printed)
    assert cli.main(["doctor", recipe, "task.overlap=drop", "--all"]) == 0
    assert "✓ 1 rows are left out" in capsys.readouterr().out
    assert cli.main(["run", recipe]) == 2
    assert "The splits overlap: 1 rows" in capsys.readouterr().err


def test_doctor_asks_endpoints_what_costs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-right-key")
    with serving(Behaviour(key="sk-right-key", known_models=frozenset({"large", "small"}))) as endpoint:

        def said(**strong: Any) -> str:
            section = {"model": "openai/large", "base_url": endpoint.url, "api_key_env": "THE_KEY"} | strong
            cli.main(["doctor", write_recipe(tmp_path, strong=section)])
            return capsys.readouterr().out

        assert "✓ strong: the endpoint answers" in said()
        assert re.search("✗ strong: .*'lrage'.*Did you mean 'large'.* 2 models", said(model="openai/lrage"))
        known, endpoint.behaviour.known_models = endpoint.behaviour.known_models, None  # lists none, knows all
        assert "! strong: the endpoint answers" in said()
        endpoint.behaviour.known_models = known
        monkeypatch.setenv("THE_KEY", "sk-wrong-key")
        assert "✗ strong: large at " in said()
        monkeypatch.setenv("THE_KEY", "sk-right-key")
        each = said(base_url=[endpoint.url, "http://127.0.0.1:9/v1"])
        assert f"✓ strong at {endpoint.url}: the endpoint answers" in each
        assert re.search(r"✗ strong at http://127\.0\.0\.1:9/v1: .*cannot be reached", each)
        assert endpoint.counts.calls == 0
    assert "cannot be reached" in said()


def test_a_folder_that_is_no_runs_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for verb in ("show", "view"):
        status, said = failing(capsys, verb, str(tmp_path / "file"))
        assert (status, "is a file" in said) == (2, True)
        status, said = failing(capsys, verb, str(tmp_path / "folder"))
        assert (status, "is not a run's folder" in said) == (2, True)
        status, said = failing(capsys, verb, str(tmp_path / "foldr"))
        assert (status, "Did you mean 'folder'?" in said) == (2, True)


def test_results_of_another_shape_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path)
    assert cli.main(["evaluate", recipe]) == 0
    (tmp_path / "run/evaluate/results.json").write_text("[1]")
    status, said = failing(capsys, "evaluate", recipe)
    assert (status, "is not what cowest wrote there" in said and "Delete it" in said) == (2, True)


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(("redirected", "status"), [("| true", 1), (">&-", 0), ("| cat", 0)])
def test_output_that_cannot_be_written_is_no_traceback(
    tmp_path: Path, redirected: str, status: int, buffered: bool
) -> None:
    command = f"{sys.executable} -m cowest doctor {write_recipe(tmp_path)} {redirected}; exit ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUNBUFFERED": "" if buffered else "1"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (status, "")
    if "cat" in redirected:
        assert "? the recipe is valid" in done.stdout
