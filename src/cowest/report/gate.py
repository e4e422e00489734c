"""A gate as `cowest.gate` shows it: the policy, its aim, both splits in one table, and what that means."""

from cowest import words
from cowest.gating.section import gate_section
from cowest.records import GateResults
from cowest.report.drawing import Drawing, Line
from cowest.report.fitting import text_table


def draw_gate(result: GateResults) -> Drawing:
    """The policy and the results of each split under each arm alone and under the gate."""
    section = gate_section(result)
    sizes = [words.plural(result.validation.num_examples, "validation example")]
    if result.test is not None:
        sizes.append(words.plural(result.test.num_examples, "test example"))
    title = f"{result.task}, {section.metric}, {' and '.join(sizes)}, 95% intervals"
    rows = [
        (f"{split}: {who}", *cells, "bold" if who.startswith("gate") else "") for split, who, *cells in section.rows
    ]
    return Drawing(
        [
            Line(f"Gate: {section.policy}.", "bold"),
            Line(section.aim),
            text_table(title, ["who answers", *section.headings[2:]], rows, spare=["strong", "both", "draft"]),
            *map(Line, section.sentences),
        ]
    )
