"""Numbers as text, the same in the terminal and in the report."""

import re

MINUS = "−"
_INTERVAL = re.compile(r"\[[^\[\]]*\]")


def percent(value: float) -> str:
    """A share in percent: 0.77 is "77.0%"."""
    return f"{100 * value:.1f}%"


def interval(bounds: tuple[float, float] | None) -> str:
    """An interval of shares in percent: "[72.5, 81.0]"; empty where there is none."""
    return "" if bounds is None else f"[{_signed(100 * bounds[0])}, {_signed(100 * bounds[1])}]"


def unbroken(text: str) -> str:
    """A sentence whose intervals a browser does not break in two."""
    return _INTERVAL.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def estimate(value: float, bounds: tuple[float, float] | None) -> str:
    """A share with its interval, where there is one: "77.0% [72.5, 81.0]"."""
    return f"{percent(value)} {interval(bounds)}".rstrip()


def points(value: float) -> str:
    """A difference of shares in percentage points: "+41.5"."""
    return ("+" if round(100 * value, 1) > 0 else "") + _signed(100 * value)


def p_value(value: float | None) -> str:
    """A p-value; the small ones as a bound."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def money(value: float | None) -> str:
    """USD in cents from $1 on, else to four decimals or two significant digits; "unknown" where there is no price."""
    if value is None:
        return "unknown"
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if value >= 1 else f"${value:.4f}" if value >= 0.0001 else f"${value:.2g}"


def duration(seconds: float | None) -> str:
    """A duration with its unit: "0.42 s", "58 s", "3 min 20 s", "2 h 05 min"."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def count(value: float) -> str:
    """A count with thousands separators."""
    return f"{value:,.0f}"


def short_count(value: int) -> str:
    """A count in few characters: "950", "1.2k", "45k"."""
    if value < 1000:
        return str(value)
    return f"{value / 1000:.1f}k" if value < 9_950 else f"{value / 1000:.0f}k"


def plural(number: int, thing: str) -> str:
    """ "1 pair", "1,204 pairs", "0 queries"."""
    many = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else many}"


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something, or the name of its class."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _signed(number: float) -> str:
    text = f"{number:.1f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)
