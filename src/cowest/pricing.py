"""The cost of a call: by the recipe's price, else by the list price of the model."""

from collections.abc import Iterable
from typing import Protocol

from cowest.types import Usage


class PricePerMillion(Protocol):
    """USD per million tokens."""

    @property
    def input(self) -> float:
        """Of the prompt."""
        ...

    @property
    def output(self) -> float:
        """Of the completion."""
        ...


def cost_usd(
    usage: Usage,
    *,
    model: str,
    price: PricePerMillion | None = None,
    base_url: str | None = None,
    provider: str = "openai",
    num_cached_tokens: int = 0,
    num_cache_written_tokens: int = 0,
    batch: bool = False,
) -> float | None:
    """Costs one call.

    Args:
        usage: its tokens.
        model: the name the endpoint knows it by, e.g. "gpt-4.1".
        price: overrides the list price.
        base_url: the endpoint; None is the provider's own. Elsewhere a list price holds only where it is known to.
        provider: whose own endpoint that is.
        num_cached_tokens: prompt tokens that the endpoint had in its cache, part of `usage.prompt_tokens`.
        num_cache_written_tokens: prompt tokens that it put into its cache for a fee, also part of them.
        batch: came through a batch interface: the list price for batches counts where one is known (half, at OpenAI),
            else the ordinary one. A price of the recipe is taken as it is.

    Returns:
        USD, or None where no price is known.
    """
    if price is not None:
        return (usage.prompt_tokens * price.input + usage.completion_tokens * price.output) / 1e6
    import genai_prices

    tokens = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=num_cached_tokens or None,
        cache_write_tokens=num_cache_written_tokens or None,
    )
    context = {"processing": "batch"} if batch else None
    try:
        if base_url is None:
            found = genai_prices.calc_price(tokens, model, provider_id=provider, price_context=context)
        else:
            found = genai_prices.calc_price(tokens, model, provider_api_url=base_url, price_context=context)
        return float(found.total_price)
    except LookupError:
        return None


def total_usd(costs: Iterable[float | None]) -> float | None:
    """The sum of costs; None where one of them is unknown, since a sum without it would pass for all of it."""
    total = 0.0
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total
