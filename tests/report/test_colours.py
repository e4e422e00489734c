"""Each colour of text has the contrast of AA on each ground it stands on, light and dark, in report and viewer."""

import importlib.resources
import itertools
import re

import pytest

SHEETS = {"report": ("cowest.report", "page.css"), "viewer": ("cowest.viewer", "static/style.css")}
TEXTS = ("ink", "soft", "accent", "good", "bad", "warn")
GROUNDS = ("paper", "card", "faint")
OTHERS = (("note-ink", "note"), ("ink", "mark"), ("card", "accent"), ("paper", "ink"))
AA = 4.5


def schemes(sheet: str) -> dict[str, dict[str, str]]:
    """The colours by name, light and dark."""
    package, name = SHEETS[sheet]
    source = importlib.resources.files(package).joinpath(name).read_text()
    blocks = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{([^}]*)\}", source)
    ]
    return {"light": blocks[0], "dark": blocks[0] | blocks[1]}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_every_ground(sheet: str, scheme: str) -> None:
    colours = schemes(sheet)[scheme]
    pairs = [pair for pair in (*itertools.product(TEXTS, GROUNDS), *OTHERS) if set(pair) <= set(colours)]
    assert len(pairs) >= 16
    poor = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < AA} == {}
