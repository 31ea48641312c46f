"""The simulation's clock: whole minutes, in China's civil days inside, as UTC instants in events."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from knowledge_base.days import Day

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_CHINA = 8 * 60


def minute_of(day: Day, minute: int) -> int:
    """Minutes since 1970-01-01T00:00Z of a minute of a civil day in China."""
    return (day - _EPOCH_DAY) * 1440 + minute - _CHINA


@lru_cache(maxsize=65_536)
def instant(minutes: int) -> datetime:
    """The instant of a minute since 1970-01-01T00:00Z."""
    return _EPOCH + timedelta(minutes=minutes)
