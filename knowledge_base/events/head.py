"""What every event has in common, and how its fields are written.

Money, prices and quantities are decimals in JSON strings, and stay texts until somebody reckons with them: an event has
dozens, of which a rule looks at few. Instants carry a zone; civil days are plain dates.
"""

from datetime import datetime
from typing import Annotated, Protocol

from msgspec import Meta

SCHEMA_VERSION = 1


Id = Annotated[str, Meta(min_length=1, max_length=100)]
"""By what something is known: an event, a patient, a settlement. Kept without what nobody sees at its ends."""


Reference = Annotated[str, Meta(max_length=60, extra={"names": "something"})]
"""A code by which something else is known: an item, a practitioner, a pack, an institution. Kept like an ``Id``; what
is extra tells it from a ``Code``."""


Code = Annotated[str, Meta(max_length=60)]


Text = Annotated[str, Meta(max_length=500)]


Instant = Annotated[datetime, Meta(tz=True)]


LONGEST_SUPPLY = 3660


SupplyDays = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": LONGEST_SUPPLY})]
"""Civil days for which a drug is given out. The bounds are for the schema; ``streams.messages.faults`` looks at them,
so that they are told together with what else fields may not hold."""


_DECIMAL = {"type": "string", "format": "decimal"}


Money = Annotated[
    str, Meta(description="yuan, at most 14 digits before and 6 after the point", extra_json_schema=_DECIMAL)
]


Quantity = Annotated[
    str, Meta(description="billing units, at most 14 digits before and 6 after the point", extra_json_schema=_DECIMAL)
]


class Event(Protocol):
    """An event of any kind: a frozen msgspec Struct with these among its fields."""

    @property
    def event_id(self) -> str:
        """The sender and the sender's own id."""

    @property
    def area(self) -> str:
        """The pooling area in whose store it is kept: of a patient's event the one that insures."""

    @property
    def kind(self) -> str:
        """The name of its kind, a row of ``streams.messages.kinds``."""

    @property
    def happened_at(self) -> datetime: ...

    @property
    def sender(self) -> str: ...

    @property
    def received_at(self) -> datetime | None: ...
