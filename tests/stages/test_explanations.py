"""Explanations by the strong model: what is kept, what is rejected, what failed, and that nothing is paid twice."""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest.errors import BudgetError, CompletionError, EndpointError, InputError
from cowest.models.providers.scripted import ScriptedModel
from cowest.records import ExplainedExample, ExplanationSummary, read_rows
from cowest.stages.explanations import explain
from cowest.stages.sft import SFTConfig, sft
from cowest.types import ChatRequest, Completion, Example
from tests.worlds import Sums, sums

TASK = Sums(train="12")
WRONG, SILENT, VAGUE, CUT, BROKEN = 3, 4, 5, 6, 7
"""Sums whose explanation leads elsewhere, has no text, leads to no answer, is cut, or whose check gets no reply."""
STATES, CONCLUDES = 8, 9
"""Sums whose explanation states the result: in the middle, where it cannot be cut out, or at the end."""


def number_in(request: ChatRequest) -> int:
    return int(re.findall(r"What is (\d+) plus", request.messages[-1].content)[0])


def is_check(request: ChatRequest) -> bool:
    return "The right result is" not in request.messages[-1].content


def explainer(request: ChatRequest) -> str | Completion:
    number, text = number_in(request), request.messages[-1].content
    if not is_check(request):
        if number == SILENT:
            return "Explanation:"
        if number == CUT:
            return Completion(text="Explanation: Add the", finish_reason="length")
        stated = f" Therefore, the answer is {2 * number + 1}." * (number in (STATES, CONCLUDES))
        stated += " Both are counted." * (number == STATES)
        return f"Explanation: Take {number} and count {number + 1} further{', roughly' * (number == VAGUE)}.{stated}"
    if number == BROKEN:
        raise CompletionError("no usable reply")
    assert f"Take {number} and count" in text
    if number == VAGUE:
        return "That is hard to say. It depends on how one counts."
    return f"Answer: {2 * number + 1 + (number == WRONG)}"


def strong_of(requests: list[ChatRequest]) -> ScriptedModel:
    def reply(request: ChatRequest) -> str | Completion:
        requests.append(request)
        return explainer(request)

    return ScriptedModel(reply, name="scripted/strong", identity="strong")


def rows_in(out: Path) -> dict[int, ExplainedExample]:
    rows = read_rows(out / "explanations.jsonl", ExplainedExample, "explanation")
    return {int(row.example_id.removeprefix("sum-")): row for row in rows}


def test_only_an_explanation_that_leads_back_to_the_reference_is_kept(tmp_path: Path) -> None:
    found = explain(TASK.train, strong=strong_of([]), out=tmp_path)
    assert [example.id for example in found] == [example.id for example in TASK.train]
    rows, others = rows_in(tmp_path), {WRONG, SILENT, VAGUE, CUT, BROKEN, STATES}
    assert list(rows) == list(range(12))
    assert {number for number, row in rows.items() if row.outcome == "kept"} == set(range(12)) - others
    for number, example in enumerate(found):
        kept = f"Take {number} and count {number + 1} further."
        assert example.explanation == (None if number in others else kept)
        assert example.model_copy(update={"explanation": None}) == TASK.train[number]
    assert (rows[WRONG].outcome, rows[WRONG].answer, rows[WRONG].reason) == ("rejected", "8", None)
    assert {number for number, row in rows.items() if row.outcome == "rejected"} == {WRONG, STATES}
    assert {number for number, row in rows.items() if row.states_answer} == {STATES}


def test_a_failure_is_no_rejection_and_says_why(tmp_path: Path) -> None:
    explain(TASK.train, strong=strong_of([]), out=tmp_path)
    rows = rows_in(tmp_path)
    reasons = {SILENT: "no explanation", CUT: "cut at the token limit", VAGUE: "no answer", BROKEN: "no usable reply"}
    for number, reason in reasons.items():
        assert rows[number].outcome == "failed"
        assert reason in str(rows[number].reason)
        assert rows[number].answer is None
    summary = ExplanationSummary.read(tmp_path / "summary.json")
    assert (summary.num_examples, summary.num_made, summary.num_kept) == (12, 10, 6)
    assert (summary.num_rejected, summary.num_stating, summary.num_failed) == (2, 1, 4)
    # Two calls a row, but one where there is nothing to check or to find, and one that got no reply.
    assert summary.calls == {"strong": 2 * 12 - 3 - 1}
    assert summary.cost_usd == 0.0


def test_the_check_sees_query_and_explanation_without_the_reference(tmp_path: Path) -> None:
    requests: list[ChatRequest] = []
    explain(TASK.train, strong=strong_of(requests), out=tmp_path)
    for request in requests:
        number = number_in(request)
        numbers = re.findall(r"\d+", request.messages[-1].content)
        assert (str(2 * number + 1) in numbers) == (not is_check(request)) or number == 0


def test_a_row_with_an_explanation_and_a_format_without_one_take_no_call(tmp_path: Path) -> None:
    requests: list[ChatRequest] = []
    explained = [each.model_copy(update={"explanation": "by hand"}) for each in sums(3)]
    found = explain([*explained, *sums(5)[3:]], strong=strong_of(requests), out=tmp_path / "some", task=TASK)
    assert [example.explanation for example in found][:3] == ["by hand"] * 3
    assert {number_in(request) for request in requests} == {3, 4}
    requests.clear()
    found = explain(TASK.train, strong=strong_of(requests), out=tmp_path / "none", format="direct_answer")
    assert list(found) == list(TASK.train)
    assert requests == []
    assert ExplanationSummary.read(tmp_path / "none" / "summary.json").num_examples == 0


def test_nothing_is_finished_where_every_row_failed(tmp_path: Path) -> None:
    def refuse(request: ChatRequest) -> str:
        raise CompletionError("refused")

    with pytest.raises(EndpointError, match=r"All 12 examples failed.*refused"):
        explain(TASK.train, strong=ScriptedModel(refuse), out=tmp_path)
    assert not (tmp_path / "summary.json").exists()
    assert len(rows_in(tmp_path)) == 12


def test_without_success_it_stops_after_a_hundred(tmp_path: Path) -> None:
    num_calls = Counter[str]()

    def refuse(request: ChatRequest) -> str:
        num_calls["all"] += 1
        raise CompletionError("refused")

    with pytest.raises(EndpointError, match="All 100 examples failed"):
        explain(sums(300), strong=ScriptedModel(refuse), out=tmp_path, task=TASK, num_in_flight=1)
    assert num_calls["all"] == 100


def test_a_task_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="task="):
        explain(sums(2), strong=strong_of([]), out=tmp_path)


def test_sft_in_python_refuses_a_key_that_it_would_not_follow(tmp_path: Path) -> None:
    rows: list[Example] = sums(2)
    with pytest.raises(InputError, match=r"cowest\.explain"):
        sft("local/none", rows, out=tmp_path, config=SFTConfig(explanations="strong"))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), num_in_flight=st.sampled_from([1, 3, 8]))
def test_stopped_at_any_call_it_goes_on_and_pays_each_call_once(
    seed: int, num_in_flight: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, moments = tmp_path_factory.mktemp("stopped"), Random(seed)
    served, left = Counter[str](), [0]

    def reply(request: ChatRequest) -> str | Completion:
        if left[0] == 0:
            raise BudgetError("spent")
        left[0] -= 1
        text = explainer(request)
        served[request.model_dump_json()] += 1
        return text

    strong = ScriptedModel(reply, name="scripted/strong", identity="strong")
    for _ in range(100):
        left[0] = moments.randint(1, 12)
        try:
            found = explain(TASK.train, strong=strong, out=folder / "parts", num_in_flight=num_in_flight)
            break
        except BudgetError:
            assert not (folder / "parts" / "summary.json").exists()
    once: list[ChatRequest] = []
    assert list(found) == list(explain(TASK.train, strong=strong_of(once), out=folder / "whole"))
    # A call that got no reply is not kept, so each life may try it again.
    assert set(served.values()) == {1}
    assert len(served) == len(once) - 1
    parts, whole = (json.loads((folder / name / "summary.json").read_text()) for name in ("parts", "whole"))
    assert {**parts, "wall_s": 0} == {**whole, "wall_s": 0}
    for name in ("explanations.jsonl",):
        assert (folder / "parts" / name).read_bytes() == (folder / "whole" / name).read_bytes()
