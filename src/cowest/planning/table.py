"""The estimate on the terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TextIO, TypeVar

from cowest import words
from cowest.method_names import COLLABORATE, collaborate_round
from cowest.planning.assumptions import DRAFTS_A_QUERY
from cowest.planning.hours import StageTime
from cowest.planning.plan import Case, Plan
from cowest.planning.power import sentence
from cowest.planning.spend import Spend
from cowest.report.drawing import console_for, print_line
from cowest.report.fitting import FittingTable, text_table

Value = TypeVar("Value")

MEASURED = {
    "solved_alone": "how often the strong model is right alone",
    "helped": "how many drafts help",
    "draft": "tokens of the weak model",
    "output": "tokens of the strong model",
}


def print_plan(plan: Plan, stream: TextIO | None = None) -> None:
    """Prints the estimate: the totals, both cases by stage and role, and the assumptions."""
    console = console_for(stream)
    print_line(console, _headline(plan), "bold")
    console.print(_spend_table(plan))
    if plan.high.times:
        console.print(_time_table(plan))
    for line in _notes(plan):
        print_line(console, line)


def _headline(plan: Plan) -> str:
    calls = _range(plan, lambda case: words.count(sum(spend.calls for spend in case.roles.values())))
    cost = _range(plan, lambda case: words.money(case.cost_usd))
    wall = f"{_range(plan, lambda case: words.duration(case.wall_s))} at the endpoints"
    here = plan.cluster is None and set(plan.in_process) >= set(plan.high.roles)
    fewer, more = sorted((plan.low.num_pairs, plan.high.num_pairs))
    noun = words.plural(0, plan.learned_from).removeprefix("0 ")
    pairs = f"{between(fewer, more, words.count)} {noun}"
    where = "all on this machine" if here else wall
    return f"{plan.run}: {calls} calls, {cost}, {where}, {pairs} expected. Nothing was spent."


def _spend_table(plan: Plan) -> FittingTable:
    rows = [
        (stage, role, *_spend_columns(plan.low.stages[stage].get(role, high), high), "")
        for stage, spends in plan.high.stages.items()
        for role, high in spends.items()
    ]
    rows += [
        ("all", role, *_spend_columns(plan.low.roles.get(role, high), high), "bold")
        for role, high in plan.high.roles.items()
    ]
    columns = ["stage", "role", "calls", "tokens in", "tokens out", "cost"]
    return text_table("low to high", columns, rows, spare=["tokens in", "tokens out"])


def _time_table(plan: Plan) -> FittingTable:
    rows = []
    for stage, high in plan.high.times.items():
        low = plan.low.times.get(stage, high)
        waits_for = " or ".join(dict.fromkeys(each.bottleneck for each in (low, high) if each.bottleneck))
        rows.append((stage, *_time_columns(low, high), waits_for, ""))
    rows.append(("all", *_time_columns(_in_all(plan.low), _in_all(plan.high)), "", "bold"))
    return text_table("low to high", ["stage", "time", "GPU hours", "waits longest for"], rows)


def _time_columns(low: StageTime, high: StageTime) -> tuple[str, str]:
    return (
        _from_least(low.wall_s, high.wall_s, words.duration),
        _from_least(low.gpu_hours, high.gpu_hours, lambda hours: f"{hours:.2g}" if hours < 10 else f"{hours:,.0f}"),
    )


def _from_least(low: float | None, high: float | None, to_text: Callable[[float], str]) -> str:
    return "unknown" if low is None or high is None else between(min(low, high), max(low, high), to_text)


def _in_all(case: Case) -> StageTime:
    """The sum over the stages; unknown where that of one is."""
    wall_s = [each.wall_s for each in case.times.values()]
    gpu_hours = [each.gpu_hours for each in case.times.values()]
    return StageTime(
        wall_s=None if None in wall_s else sum(filter(None, wall_s)),
        gpu_hours=None if None in gpu_hours else sum(filter(None, gpu_hours)),
    )


def _spend_columns(low: Spend, high: Spend) -> tuple[str, ...]:
    return (
        between(low.calls, high.calls, words.count),
        between(low.usage.prompt_tokens, high.usage.prompt_tokens, words.count),
        between(low.usage.completion_tokens, high.usage.completion_tokens, words.count),
        between(low.cost_usd, high.cost_usd, words.money),
    )


def _up_to(plan: Plan) -> str:
    return "" if plan.feedback_spend_usd is None else f"{words.money(plan.feedback_spend_usd)}, at most "


def _drafts(plan: Plan) -> str:
    if not plan.samples:
        return "drafts only in alignment"
    if not plan.until_pair:
        return f"{plan.samples} drafts each"
    drawn = plan.measured.get(DRAFTS_A_QUERY)
    known = "how many that takes, a round will show" if drawn is None else f"{drawn:.1f} on average in the last round"
    return f"at most {plan.samples} drafts each, until it has a pair ({known})"


def _notes(plan: Plan) -> Iterator[str]:
    explained = f", {plan.num_to_explain:,} of them explained by the strong model first" if plan.num_to_explain else ""
    sft = f"SFT on {plan.num_train:,} rows{explained}"
    yield (
        f"{sft if plan.trains else 'Nothing is trained, since the weak model is on a server'}; "
        f"feedback on {_up_to(plan)}{plan.num_queries:,} queries a round with "
        f"{_drafts(plan)}, "
        f"{words.plural(plan.rounds, 'round')}; {f'alignment by {plan.alignment}; ' if plan.trains else ''}"
        f"evaluation of {words.plural(len(shown_methods(plan)), 'method')} on {plan.num_evaluated:,} examples."
    )
    yield sentence(plan.power)
    if plan.gate_examples is not None:
        num_validation, num_test = (words.count(plan.gate_examples[name]) for name in ("validation", "test"))
        yield (
            f"gate: what `cowest gate` calls after the run, beyond the evaluation; learned from {num_validation} "
            f"validation examples, tried on {num_test} of test. What it asks of the strong model alone on "
            "test depends on the policy."
        )
    if plan.swapped is not None:
        yield (
            "audit: what `cowest audit --swaps` calls after the run, beyond the evaluation: "
            f"{words.plural(plan.swapped, 'query')} with swapped words, and as they are once more where replies vary."
        )
    for name, case in (("low", plan.low), ("high", plan.high)):
        saved = ", and no call is saved by rule" if name == "high" else ""
        tokens = ", ".join(f"{role} {count}" for role, count in case.assumed["tokens_a_reply"].items())
        yield (
            f"{name}: the strong model alone gets full marks on {words.percent(case.assumed['solved_alone'])} of the "
            f"queries, {words.percent(case.assumed['helped'])} of the drafts help{saved}; models are "
            f"sure of {words.percent(case.assumed['sure'])} of what they write; tokens a reply: {tokens}; "
            f"{case.assumed['latency_s']:g} s a call."
        )
    if plan.measured:
        yield measured_sentence(plan.measured)
    yield "Tokens counted by " + ", ".join(f"{how} ({role})" for role, how in plan.tokens_from.items()) + "."
    if plan.already_paid:
        known = ", ".join(f"{words.count(count)} {role}" for role, count in plan.already_paid.items())
        yield f"The run's ledger holds replies that are not paid again: {known}."
    for role, started in plan.servers.items():
        yield f"The run starts {started} for {role}, and ends them before it trains."
    for role, urls in plan.endpoints.items():
        yield f"{role}: {words.plural(len(urls), 'endpoint')}: {', '.join(urls)}."
    if plan.without_logprobs:
        yield (
            f"Log-probabilities are not kept for {', '.join(plan.without_logprobs)}: a gate cannot be calibrated "
            "on them, and methods that read them refuse to run."
        )
    if plan.cluster is not None:
        yield f"Local models draft on {plan.cluster}."
    elif plan.in_process:
        yield f"On this machine: {', '.join(plan.in_process)}."
    if plan.high.times:
        yield from _notes_on_times(plan)
    elif plan.cluster is not None or plan.in_process:
        yield "The time of local models and of training is not in the estimate."
    yield from warnings(plan.high.roles, plan.batched, plan.budgets_usd, plan.endpoint_problems)


def shown_methods(plan: Plan) -> list[str]:
    """The methods without the row of the last round, which is the pair's own."""
    same = collaborate_round(plan.rounds) if COLLABORATE in plan.methods else None
    return [name for name in plan.methods if name != same]


def measured_sentence(measured: Mapping[str, float]) -> str:
    """Which assumptions are measured values."""
    return f"Measured in this run, not assumed: {', '.join(MEASURED.get(name, name) for name in measured)}."


def _notes_on_times(plan: Plan) -> Iterator[str]:
    if plan.without_speed:
        roles = ", ".join(plan.without_speed)
        yield (
            f"How many tokens a second an engine writes is not known for {roles}, so that stages in which it writes "
            "have no time. Measure it once and give it in the model's section: tokens_per_second: .."
        )
    yield (
        "Time is that of the slowest engine or endpoint of a stage; GPU hours are those of all GPUs that it holds "
        "meanwhile. A training's time is taken from one that this run has ended. Starting servers is not counted."
    )


def warnings(
    high: Mapping[str, Spend],
    batched: Sequence[str],
    budgets_usd: Mapping[str, float],
    endpoint_problems: Mapping[str, str],
) -> Iterator[str]:
    """Warnings before the run begins: batches, unknown prices, budgets, and problems with endpoints."""
    if batched:
        yield (
            f"Through the batch interface: {', '.join(batched)}. Its time is not in the estimate: each dependent "
            "round of feedback, and each method of evaluation, may take up to a day (docs/batches.md)."
        )
    if unknown := [role for role, spend in high.items() if spend.cost_usd is None]:
        yield (
            f"The price of {', '.join(unknown)} is not known. Give it in the model's section: "
            "price: {input: .., output: ..}, USD per million tokens."
        )
    for role, spend in high.items():
        budget = budgets_usd.get(role)
        if budget is not None and spend.cost_usd is not None and spend.cost_usd > budget:
            cost = words.money(spend.cost_usd)
            yield f"The high case of {role}, {cost}, is above its budget of {words.money(budget)}."
    for role, problem in endpoint_problems.items():
        yield f"Before the run: {role}: {problem}"


def between(low: Value, high: Value, to_text: Callable[[Value], str]) -> str:
    """A range as text, or one value where both ends read the same."""
    first, second = to_text(low), to_text(high)
    return first if first == second else f"{first} – {second}"


def _range(plan: Plan, to_text: Callable[[Case], str]) -> str:
    low, high = to_text(plan.low), to_text(plan.high)
    return low if low == high else f"{low} to {high}"
