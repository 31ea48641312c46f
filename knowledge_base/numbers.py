"""Numbers of events and digests: texts, made into decimals by whoever reckons with them."""

from decimal import Decimal
from functools import lru_cache


@lru_cache(maxsize=16_384)
def number(text: str) -> Decimal:
    """A text to reckon with. Quantities and prices come again and again, so many decimals are at hand."""
    return Decimal(text)


def written(value: Decimal) -> str:
    """A decimal as events hold it: digits and a point, no exponent."""
    return format(value, "f")
