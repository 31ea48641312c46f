"""What was just done to many leads of the queue, as it is told there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from streams.store.casework import bulk
from streams.store.casework.bulk import Bulk
from streams.store.sessions import Connection


@dataclass(frozen=True)
class Did:
    """An act on many leads: to whom how many were given, until which day they were given or put off, and how many of
    them somebody else had until then."""

    act: Bulk
    given: Sequence[tuple[str, int]]
    until: date | None
    from_others: int


async def find_did(connection: Connection, number: int, login: str, today: date) -> Did | None:
    """What somebody did today; ``None`` for what they did not do."""
    act = await bulk.find_bulk(connection, number, login)
    if act is None:
        return None
    changes = (await bulk.find_changes(connection, number)).values()
    moved = [(of.before, of.after) for of in changes if of.before.holder != of.after.holder]
    given = Counter(after.holder for _, after in moved if after.holder is not None)
    ends = {of.after.held_until if act.act in ("give", "share") else of.after.snoozed_until for of in changes}
    return Did(
        act,
        given.most_common(),
        max((end for end in ends if end is not None), default=None),
        sum(before.holder_on(today) not in (None, login) for before, _ in moved),
    )
