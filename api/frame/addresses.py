"""What stands in addresses."""

from typing import Annotated

from fastapi import Query

MOST_WHOLE = 2**63 - 1
"""The greatest whole number that the store can hold: an address or form with a greater one is refused."""


PageNumber = Annotated[int, Query(ge=1, le=10**9)]
"""The number of a page in an address."""
