"""The estimate of a bench on the terminal."""

from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from cowest import words
from cowest.planning.bench import BenchPlan, CellCase, CellPlan
from cowest.planning.power import sentence
from cowest.planning.spend import Spend, cost_of
from cowest.planning.table import between, measured_sentence, warnings
from cowest.report.drawing import console_for, print_line
from cowest.report.fitting import text_table


def print_bench_plan(plan: BenchPlan, stream: TextIO | None = None) -> None:
    """Prints the estimate: the totals, each cell and role, and the assumptions."""
    console = console_for(stream)
    print_line(console, _headline(plan), "bold")
    columns = ["cell", "trainings", "calls", "tokens in", "tokens out", "cost", "time"]
    rows = [(*_cell_columns(cell), "dim" if cell.reason else "") for cell in plan.cells]
    roles = [
        (
            f"all, {role}",
            "",
            *_spend_columns({role: plan.low.roles[role]} if role in plan.low.roles else {}, {role: high}),
            "",
        )
        for role, high in plan.high.roles.items()
    ]
    total = ("all", str(sum(cell.num_trainings for cell in plan.cells)), *_case_columns(plan.low, plan.high), "bold")
    lines = [*rows, *(_without_time(row) for row in roles), total]
    spare = ["tokens in", "tokens out", "trainings", "time"]
    console.print(text_table("low to high, still to pay", columns, lines, spare))
    for line in _notes(plan):
        print_line(console, line)


def _headline(plan: BenchPlan) -> str:
    calls, _, _, cost, wall = (number.replace(" – ", " to ") for number in _case_columns(plan.low, plan.high))
    return f"bench of {plan.run}: {calls} calls, {cost}, {wall} at the endpoints. Nothing was spent."


def _cell_columns(cell: CellPlan) -> tuple[str, ...]:
    if cell.reason is not None:
        return (cell.name, *["–"] * 6)
    return (cell.name, str(cell.num_trainings or "–"), *_case_columns(cell.low, cell.high))


def _case_columns(low: CellCase, high: CellCase) -> tuple[str, ...]:
    return (*_spend_columns(low.roles, high.roles), between(low.wall_s, high.wall_s, words.duration))


def _spend_columns(low: Mapping[str, Spend], high: Mapping[str, Spend]) -> tuple[str, ...]:
    def range_of(number: Callable[[Spend], int]) -> str:
        return between(sum(map(number, low.values())), sum(map(number, high.values())), words.count)

    return (
        range_of(lambda spend: spend.calls),
        range_of(lambda spend: spend.usage.prompt_tokens),
        range_of(lambda spend: spend.usage.completion_tokens),
        between(cost_of(low), cost_of(high), words.money),
    )


def _without_time(row: tuple[str, ...]) -> tuple[str, ...]:
    *cells, style = row
    return (*cells, "", style)


def _notes(plan: BenchPlan) -> Iterator[str]:
    yield (
        f"Feedback on {plan.num_queries:,} queries a round, evaluation on {plan.num_evaluated:,} examples. A call that "
        "an earlier cell makes, or that the run's ledger holds, is free. So the ranges of the cells do not add up: "
        "later cells need not pay again for what an earlier one paid. The time does not include training."
    )
    yield sentence(plan.power)
    if plan.num_seeds > 1:
        yield (
            f"Everything that trains is done with {plan.num_seeds} seeds; replies of the strong models are shared. The "
            "intervals then cover other seeds too, and are wider than these differences say where seeds differ."
        )
    yield "The low case also assumes that a quarter of the drafts stay the same through an alignment."
    for cell in plan.cells:
        if cell.reason is not None:
            yield f"{cell.name} will fail: {' '.join(cell.reason.split())}"
    if plan.measured:
        yield measured_sentence(plan.measured)
    yield "Tokens counted by " + ", ".join(f"{how} ({role})" for role, how in plan.tokens_from.items()) + "."
    for role, reason in plan.not_looked_for.items():
        yield f"Replies of {role} in the ledger are not subtracted: {' '.join(reason.split())}"
    yield from warnings(plan.high.roles, plan.batched, plan.budgets_usd, plan.endpoint_problems)
