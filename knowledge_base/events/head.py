"""What every event has in common, and how its fields are written.

Money, prices and quantities are decimals in JSON strings; instants carry a zone; civil days are plain dates."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

SCHEMA_VERSION = 1


Id = Annotated[str, Meta(min_length=1, max_length=100)]


Code = Annotated[str, Meta(max_length=60)]


Text = Annotated[str, Meta(max_length=500)]


Instant = Annotated[datetime, Meta(tz=True)]


Money = Annotated[Decimal, Meta(description="yuan, at most 14 digits before and 6 after the point")]


Quantity = Annotated[Decimal, Meta(description="billing units, at most 14 digits before and 6 after the point")]
