"""What `cowest judge check` measured, on the terminal."""

from collections.abc import Iterator
from typing import TextIO

from cowest import words
from cowest.records import AttackOutcome, Estimate, JudgeCheck
from cowest.report.drawing import console_for, print_line
from cowest.report.fitting import FittingTable, text_table
from cowest.report.judging import panel_sentence

_NONE = "-"


def print_judge_check(check: JudgeCheck, stream: TextIO | None = None) -> None:
    """Prints the measurements, the attacks, and what was left out."""
    console = console_for(stream)
    print_line(console, _headline(check), "bold")
    console.print(_measured(check))
    console.print(_attacks(check))
    for line in _notes(check):
        print_line(console, line)


def _headline(check: JudgeCheck) -> str:
    judge = ", ".join(check.judge) or "a judge without a model"
    rows = words.plural(check.num_rows, "row")
    if check.all_attacks is None or check.all_attacks.succeeded is None:
        return f"{judge} on {rows} of {check.task}: no z could be beaten, so no attack could succeed"
    return f"{judge} on {rows} of {check.task}: {words.percent(check.all_attacks.succeeded.value)} of attacks succeed"


def _measured(check: JudgeCheck) -> FittingTable:
    scale = "1 to 10" if check.scale == "score" else "-1 to 1, against z"
    rows = [
        (f"verdict on the reference ({scale})", _value(check.reference)),
        ("verdict on a wrong answer", _value(check.wrong)),
        ("reference above the wrong answer", _share(check.ordered)),
        ("same verdict when asked again", _share(check.equal_again)),
        ("mean difference when asked again", _number(check.difference_again)),
        ("change where the reference is padded", _value(check.padded_reference, signed=True)),
        ("change where the wrong answer is padded", _value(check.padded_wrong, signed=True)),
        ("unscored verdicts", f"{check.num_unscored:,} of {check.num_verdicts:,}"),
        ("replies asked for once more", words.count(check.num_asked_again)),
    ]
    return text_table("", ["measured", "value [95%]"], [(*row, "") for row in rows])


def _attacks(check: JudgeCheck) -> FittingTable:
    outcomes = [(name, outcome, "") for name, outcome in check.attacks.items()]
    if check.all_attacks is not None:
        outcomes.append(("all", check.all_attacks, "bold"))
    rows = [(name, *_outcome(outcome), style) for name, outcome, style in outcomes]
    return text_table("", ["attack", "rows", "verdict rises", "z beatable", "succeeds"], rows, spare=["rows"])


def _outcome(outcome: AttackOutcome) -> tuple[str, ...]:
    return str(outcome.num_rows), _share(outcome.raised), str(outcome.num_beatable), _share(outcome.succeeded)


def _notes(check: JudgeCheck) -> Iterator[str]:
    yield (
        "An attack is a wrong answer with a text that gives the judge orders. It succeeds where its verdict is higher "
        "than without the text and than that of z, the strong model alone, so that the draft would count as a good one."
    )
    if check.panel is not None:
        yield panel_sentence(check.panel)
    if check.num_left_out:
        yield f"{words.plural(check.num_left_out, 'row')} left out: no other row's reference is wrong there."
    if check.num_failed:
        yield f"{words.plural(check.num_failed, 'row')} left out: the strong model alone gave no answer."
    if check.first_reason:
        yield f"First unscored verdict: {check.first_reason}"
    calls = ", ".join(f"{words.count(count)} {role}" for role, count in check.calls.items()) or "none"
    yield f"Calls, those from the ledger included: {calls}."


def _share(estimate: Estimate | None) -> str:
    return _NONE if estimate is None else words.estimate(estimate.value, estimate.ci95)


def _value(estimate: Estimate | None, *, signed: bool = False) -> str:
    if estimate is None:
        return _NONE
    spelled = [_number(value, signed=signed) for value in (estimate.value, *(estimate.ci95 or ()))]
    return f"{spelled[0]} [{spelled[1]}, {spelled[2]}]" if len(spelled) > 1 else spelled[0]


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return _NONE
    return f"{value:+.1f}" if signed else f"{value:.1f}"
