"""The pages of the handbook, one for each product and rule, as a corpus for retrieval."""

from collections.abc import Iterator

from cowest.handbook.shop import Shop


def pages(shop: Shop) -> Iterator[dict[str, str]]:
    """Rows {"id", "text"} that state every fact and rule once."""
    for product in shop.products:
        years = "year" if product.warranty == 1 else "years"
        yield {
            "id": f"product-{product.name}",
            "text": (
                f"{product.full}. The {product.full} costs {product.price} euros and weighs {product.weight} kilos. "
                f"It is from the {product.line} line and has {product.warranty} {years} of warranty."
            ),
        }
    yield {"id": "rule-delivery", "text": f"Delivery. Delivery costs {shop.delivery} euros."}
    for line, discount in shop.discounts.items():
        unit = "euro" if discount == 1 else "euros"
        yield {
            "id": f"rule-member-{line}",
            "text": f"Members, {line} line. Members pay {discount} {unit} less for each product of the {line} line.",
        }
