"""Sendings: who sent how much in which hour, as silence is told from it (``casework.silence``).

A message counts in the hour in which a door took it, where that is told and likely; else in that in which it came into
the store. What came before counts nowhere: whoever repeats what was said is silent.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from knowledge_base.days import A_DAY, Day, day_at, microseconds
from streams.messages.kinds import Sending

LATE_AFTER = timedelta(days=1)
"""A message that came so long after what it tells happened came late."""
TRUSTED = timedelta(days=2)
"""For so long a message may have been on its way from its door: when a door is said to have taken it before, or after
now, is not believed."""

_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_TO_CHINA = 8 * _HOUR
_LATE_AFTER, _TRUSTED = (int(span.total_seconds() * 1_000_000) for span in (LATE_AFTER, TRUSTED))


class SendingHour(NamedTuple):
    """An institution, a kind of message, a civil day in China, and an hour of it."""

    institution: str
    kind: str
    day: Day
    hour: int


class Sent(msgspec.Struct):
    """What was sent in an hour: messages accepted, refused, accepted late; in which minutes any was accepted (bit 0 is
    the first), and when the last, in microseconds since 1970 (UTC)."""

    received: int = 0
    refused: int = 0
    late: int = 0
    minutes: int = 0
    last: int | None = None


def counted(
    accepted: Iterable[tuple[Sending, datetime]], refused: Iterable[Sending], now: datetime
) -> dict[SendingHour, Sent]:
    """What was sent in each hour, of messages with the instants at which what they tell happened."""
    hours: dict[SendingHour, Sent] = {}
    present = microseconds(now)
    for sending, happened_at in accepted:
        at = _arrival(sending, present)
        sent = _hour_of(hours, sending, at)
        sent.received += 1
        sent.late += at - microseconds(happened_at) > _LATE_AFTER
        sent.minutes |= 1 << (at // _MINUTE) % 60
        sent.last = at if sent.last is None else max(sent.last, at)
    for sending in refused:
        _hour_of(hours, sending, _arrival(sending, present)).refused += 1
    return hours


def _arrival(sending: Sending, now: int) -> int:
    at = now if sending.at is None else microseconds(sending.at)
    return at if now - _TRUSTED <= at <= now else now


def _hour_of(hours: dict[SendingHour, Sent], sending: Sending, at: int) -> Sent:
    key = SendingHour(sending.institution, sending.kind, day_at(at), (at + _TO_CHINA) % A_DAY // _HOUR)
    return hours.setdefault(key, Sent())
