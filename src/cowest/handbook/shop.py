"""The invented shop: its products with their facts, and its rules. Equal seeds give equal shops."""

import itertools
import random
from dataclasses import dataclass

PRICES = range(6, 60)
WEIGHTS = range(1, 25)
WARRANTIES = range(1, 10)
LINES = ("Camp", "Home", "Garden", "Harbour", "Alpine")
DELIVERIES = range(3, 10)
MEMBER_DISCOUNTS = range(1, 6)
KINDS = ("lamp", "stove", "tent", "chair", "kettle", "table", "radio", "heater", "saw", "pump", "ladder", "bench")

# Chosen so that no word of bad sound can come out.
_OPENINGS = ("B", "Br", "D", "Dr", "G", "Gr", "K", "Kl", "L", "M", "N", "P", "R", "S", "St", "T", "Tr", "V", "Z")
_VOWELS = ("a", "e", "i", "o", "u")
_MIDDLES = ("b", "d", "lm", "nd", "l", "lv", "m", "n", "rd", "rv", "r", "st", "v")
_ENDINGS = ("an", "ar", "el", "en", "ik", "in", "ix", "o", "on", "or", "um")
MAX_PRODUCTS = 1000
"""No two names share all but their ending, and there are 1,235 such beginnings."""


@dataclass(frozen=True)
class Product:
    """A product and its facts: price in euros, weight in kilos, warranty in years, all whole numbers."""

    name: str
    kind: str
    price: int
    weight: int
    warranty: int
    line: str

    @property
    def full(self) -> str:
        """Its name with what it is, e.g. "Velmar lamp"."""
        return f"{self.name} {self.kind}"


@dataclass(frozen=True)
class Shop:
    """Products and rules.

    Attributes:
        products: in a fixed order; no two have the same name.
        delivery: what a delivery costs, in euros.
        discounts: how many euros less members pay for each product of a line.
    """

    products: tuple[Product, ...]
    delivery: int
    discounts: dict[str, int]


def make_shop(num_products: int, seed: int) -> Shop:
    """Draws a shop; `num_products` is at least 2 and at most `MAX_PRODUCTS`."""
    draw = random.Random(f"shop {seed}")
    beginnings = draw.sample(list(itertools.product(_OPENINGS, _VOWELS, _MIDDLES)), num_products)
    products = tuple(
        Product(
            name="".join(beginning) + draw.choice(_ENDINGS),
            kind=draw.choice(KINDS),
            price=draw.choice(PRICES),
            weight=draw.choice(WEIGHTS),
            warranty=draw.choice(WARRANTIES),
            line=draw.choice(LINES),
        )
        for beginning in beginnings
    )
    return Shop(
        products=products,
        delivery=draw.choice(DELIVERIES),
        discounts=dict(zip(LINES, draw.sample(MEMBER_DISCOUNTS, len(LINES)), strict=True)),
    )
