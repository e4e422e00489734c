"""Queries with swapped words are asked through the run's ledger, and only where somebody asks for it."""

import json
from pathlib import Path
from typing import Any

import pytest

import cowest
from cowest.auditing import AUDIT
from cowest.cli import main as cli
from cowest.errors import InputError
from cowest.records import AuditResults
from cowest.types import ChatRequest
from tests.recipes import paid_calls, run
from tests.worlds import tree

PAIRS = [("What", "Which")]
NUM = 12
GREEDY: dict[str, Any] = {"weak__sampling": {"temperature": 0.0}, "strong__sampling": {"temperature": 0.0}}


def weak_reply(request: ChatRequest) -> str:
    return "Explanation: The draft.\nAnswer: 0"


def strong_reply(request: ChatRequest) -> str:
    """Right, unless a draft comes with a query that begins with Which."""
    text = request.messages[-1].content
    first = int(text.split(" is ")[1].split()[0])
    is_confused = "The draft." in text and f"Which is {first}" in text
    return f"Explanation: Added.\nAnswer: {-1 if is_confused else 2 * first + 1}"


MODELS = {f"{role}__model": f"scripted/{__name__}:{role}_reply" for role in ("weak", "strong")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run(tmp_path / "run", "evaluate", **MODELS, **GREEDY)
    return tmp_path / "run"


def test_answers_that_change_with_the_draft_alone_are_found(folder: Path) -> None:
    said: list[str] = []
    before = paid_calls(folder)
    found = cowest.audit(folder, swaps=PAIRS, say=said.append).swaps
    assert found is not None
    assert (found.num_matching, found.num_examples, found.words) == (NUM, NUM, PAIRS)
    assert (found.strong.changed.value, found.pair.changed.value) == (0.0, 1.0)
    assert (found.strong.changed_again, found.pair.changed_again) == (None, None)  # nothing is sampled
    verdicts = [each.difference.verdict for each in (found.strong, found.pair)] + [found.difference.verdict]
    assert verdicts == ["no difference shown", "worse", "worse"]
    # The queries as they are come from the ledger: only the swapped ones are paid for, each three times.
    assert paid_calls(folder) - before == 3 * NUM
    assert found.calls == {"weak": 2 * NUM, "strong": 4 * NUM}
    (line,) = said
    assert f"weak {2 * NUM}, strong {4 * NUM}" in line
    assert cowest.audit(folder, swaps=PAIRS).swaps == found
    assert paid_calls(folder) - before == 3 * NUM


def test_sampled_answers_are_asked_once_more(tmp_path: Path) -> None:
    run(tmp_path / "run", "evaluate")  # models that gamble, at temperature 1
    before = paid_calls(tmp_path / "run")
    said: list[str] = []
    found = cowest.audit(tmp_path / "run", swaps=PAIRS, limit=5, say=said.append).swaps
    assert found is not None
    assert (found.num_matching, found.num_examples) == (NUM, 5)
    assert found.pair.changed_again is not None
    assert found.strong.changed_again is not None
    assert found.strong.changed_again.value > 0.0
    assert found.calls == {"weak": 3 * 5, "strong": 6 * 5}
    assert "weak 15, strong 30" in said[0]
    assert paid_calls(tmp_path / "run") - before == 6 * 5


def test_a_model_that_samples_nothing_is_not_paid_for_the_same_reply_again(tmp_path: Path) -> None:
    run(tmp_path / "run", "evaluate", weak__sampling={"temperature": 0.0})
    before = paid_calls(tmp_path / "run")
    found = cowest.audit(tmp_path / "run", swaps=PAIRS, limit=5).swaps
    assert found is not None
    assert found.calls == {"weak": 3 * 5, "strong": 6 * 5}
    # Swapped: the draft, the strong model alone and with the draft; again: the strong model alone and with the draft.
    assert paid_calls(tmp_path / "run") - before == 5 * 5


def test_an_audit_without_swaps_makes_no_calls_and_keeps_what_was_found(folder: Path) -> None:
    swaps = cowest.audit(folder, swaps=PAIRS).swaps
    before = {name: found for name, found in tree(folder).items() if name != f"evaluate/{AUDIT}"}
    again = cowest.audit(folder)
    assert again.swaps == swaps
    assert any(finding.kind == "swaps" for finding in again.findings)
    assert {name: found for name, found in tree(folder).items() if name != f"evaluate/{AUDIT}"} == before
    (folder / "evaluate" / "results.json").unlink()
    run(folder, "evaluate", **MODELS, **GREEDY)
    assert not (folder / "evaluate" / AUDIT).exists()  # it was of the predictions before


def test_an_evaluation_from_python_leaves_no_audit_of_other_predictions(tmp_path: Path) -> None:
    task, model = cowest.task("cowest.lab.task:Formulary"), cowest.ScriptedModel(lambda request: "Answer: sedative")
    methods = {"strong_only": model, "collaborate": cowest.Collaboration(model, model)}
    for num in (20, 10):
        cowest.evaluate(task.test[:num], methods, out=tmp_path / "evaluate")
        assert not (tmp_path / "evaluate" / AUDIT).exists()
        assert cowest.audit(tmp_path).num_examples == num


def test_words_of_the_recipe_are_swapped_where_the_flag_asks_for_it(tmp_path: Path, folder: Path) -> None:
    words = tmp_path / "words.csv"
    words.write_text("What,Which\n")
    recipe = folder / "recipe.yaml"
    assert cowest.audit(recipe).swaps is None
    with pytest.raises(InputError, match="names no words to swap"):
        cowest.audit(recipe, swaps=True)
    recipe.write_text(recipe.read_text().replace("swaps: null", f"swaps: {words}").replace("limit: 200", "limit: 3"))
    assert cowest.audit(folder).swaps is None
    found = cowest.audit(folder, swaps=True).swaps
    assert found is not None
    assert (found.num_matching, found.num_examples) == (NUM, 3)


def test_an_evaluation_of_an_earlier_round_is_not_asked_further(folder: Path) -> None:
    path = folder / "evaluate" / "results.json"
    path.write_text(path.read_text().replace('"round": null', '"round": 2').replace('"round": 0', '"round": 2'))
    with pytest.raises(InputError, match=r"after 2 rounds.*after 0 rounds"):
        cowest.audit(folder, swaps=PAIRS)


def test_words_that_no_query_holds_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"None of the 12 queries.*\(he/she\)"):
        cowest.audit(folder, swaps=[("he", "she")])


def test_the_command_prints_the_audit_and_its_file(folder: Path, tmp_path: Path, capsys: Any) -> None:
    words = tmp_path / "words.csv"
    words.write_text("What,Which\n")
    assert cli.main(["audit", str(folder), "--swaps", str(words), "--limit", "12", "--min-slice", "4"]) == 0
    shown = capsys.readouterr()
    assert "Swaps change more answers with the draft than without" in shown.out
    assert "| query length:" in shown.out
    assert "calls at most: weak 24, strong 48" in shown.err
    assert cli.main(["audit", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == AuditResults.read(folder / "evaluate" / AUDIT).to_json()
    assert (printed["min_slice"], printed["swaps"]["num_examples"]) == (30, 12)
    assert cli.main(["show", str(folder)]) == 0
    assert "Swaps change more answers" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["audit", str(folder), "--min-slice", "1"])
    assert "1 is not above 1" in capsys.readouterr().err
    assert cli.main(["audit", str(tmp_path / "none")]) == 2
    assert "no run folder" in " ".join(capsys.readouterr().err.split())
