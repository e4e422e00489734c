import pytest

from cowest.models.config import Price
from cowest.pricing import cost_usd
from cowest.types import Usage

USAGE = Usage(prompt_tokens=1_000_000, completion_tokens=100_000)


def test_price_of_the_recipe() -> None:
    assert cost_usd(USAGE, model="anything", price=Price(input=2.5, output=10.0)) == pytest.approx(3.5)


def test_list_price() -> None:
    price = cost_usd(USAGE, model="gpt-4.1")
    assert price is not None
    assert price > 0
    assert cost_usd(USAGE, model="gpt-4.1", base_url="https://api.openai.com/v1") == price


def test_cached_tokens_cost_less() -> None:
    whole, cached = (cost_usd(USAGE, model="gpt-4.1", num_cached_tokens=n) for n in (0, 500_000))
    assert whole is not None
    assert cached is not None
    assert 0 < cached < whole


def test_a_batch_costs_half_at_list_price_and_what_the_recipe_says_otherwise() -> None:
    single, batch = (cost_usd(USAGE, model="gpt-4.1", batch=batch) for batch in (False, True))
    assert single is not None
    assert batch == pytest.approx(single / 2)
    assert cost_usd(USAGE, model="gpt-4.1", price=Price(input=2.5, output=10.0), batch=True) == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("model", "base_url"),
    [("no-such-model", None), ("gpt-4.1", "http://127.0.0.1:8000/v1"), ("gpt-4.1", "https://x.org")],
)
def test_unknown_price_is_none(model: str, base_url: str | None) -> None:
    assert cost_usd(USAGE, model=model, base_url=base_url) is None
