"""What is shown of results: lines and tables, drawn on the terminal, as Markdown, or as HTML for a notebook."""

import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from markupsafe import Markup, escape
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cowest.characters import printable
from cowest.report.fitting import FittingTable, wrapped


@dataclass(frozen=True)
class Line:
    """A line of text; its style is one of rich's, such as "bold"."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Drawing:
    """Lines and tables in their order. Texts come from files, and so from endpoints, and are never read as markup."""

    parts: Sequence[Line | FittingTable]

    def print(self, stream: TextIO | None = None) -> None:
        """Prints it: in colour on a terminal, as Markdown anywhere else; to stdout by default."""
        console = console_for(stream)
        if console.is_terminal:
            self._draw(console)
        else:
            print(self.text, file=console.file, flush=True)

    def _draw(self, console: Console) -> None:
        for part in self.parts:
            if isinstance(part, FittingTable):
                console.print(part)
            else:
                print_line(console, part.text, part.style)

    @property
    def text(self) -> str:
        """As Markdown, without the spaces that fill up its lines."""
        stream = io.StringIO()
        self._draw(console_for(stream))
        return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().split("\n"))

    @property
    def html(self) -> str:
        """As HTML, in the notebook's own style."""
        return "".join(_html_table(part) if isinstance(part, FittingTable) else _html_line(part) for part in self.parts)


def _html_line(line: Line) -> Markup:
    tag = "strong" if line.style == "bold" else "em" if line.style else "span"
    return Markup("<p><{tag}>{text}</{tag}></p>").format(tag=Markup(tag), text=printable(line.text))


def _html_table(table: FittingTable) -> Markup:
    """A table; a row that is bold on the terminal is bold here. The texts have no control characters."""
    heads = Markup("").join(Markup("<th>{}</th>").format(printable(name)) for name in table.columns)
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td><strong>{}</strong></td>" if style == "bold" else "<td>{}</td>").format(printable(cell))
                for cell in cells
            )
        )
        for *cells, style in table.rows
    )
    caption = Markup("<caption>{}</caption>").format(printable(table.title)) if table.title else ""
    return Markup("<table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(escape(caption), heads, rows)


def print_line(console: Console, text: str, style: str = "") -> None:
    """Prints a line; on a terminal it goes over as many as it needs, and no interval is broken in two."""
    shown = wrapped(text, console.width) if console.is_terminal else text
    console.print(Text(shown, style=style), soft_wrap=True)


class _SafeConsole(Console):
    """Prints texts of files, and so of endpoints, without their control characters."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def console_for(stream: TextIO | None) -> Console:
    """A console for a terminal, or else one that prints plain Markdown tables; stdout by default.

    In a notebook too it writes to the stream: rich would display there whatever stream it is given.
    """
    stream = stream or sys.stdout
    if stream.isatty():
        return _SafeConsole(file=stream, highlight=False, force_jupyter=False)
    return _SafeConsole(
        file=stream, width=1000, color_system=None, highlight=False, force_terminal=False, force_jupyter=False
    )
