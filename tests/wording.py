"""What a text says whatever its wording: the numbers in it."""

import re

NUMBER = re.compile(r"[+−-]?\$?\d[\d,]*(?:\.\d+)?%?")


def numbers(text: str) -> list[str]:
    """The numbers of a text in order, each with its sign and unit: "+0.12", "$2.20", "1,000", "77.0%"."""
    return NUMBER.findall(text)
