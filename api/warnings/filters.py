"""Which warnings, as addresses say it: filter, days, and where a page ended."""

import base64
import binascii
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Query, Request

from api.frame.addresses import Links, as_day, unknown_value
from api.frame.desk import desk_of
from api.frame.formats import CHINA
from knowledge_base.days import as_date
from streams.store.events.warned import Cursor, WarningFilter

PATH = "/warnings"
RECENT = 30
"""Days that are looked at where an address names none: today and those before."""

MOST_DAYS = 366
"""Days that are looked at in one go."""

Word = Annotated[str, Query(max_length=200)]
CivilDay = Annotated[str, Query(max_length=10)]


def encode_cursor(cursor: Cursor) -> str:
    """Where a page ended, as a word of an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _cursor(text: str) -> Cursor | None:
    """Raises 422 for a word that is none of ours."""
    if not text:
        return None
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Cursor)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        cursor = None
    if cursor is None or cursor.asked_at.tzinfo is None:
        raise unknown_value("after", "不是某页的下一页 / expected the next of a page")
    return cursor


def warning_filter(
    request: Request,
    institution: Annotated[Word, Query(description="Code of the institution")] = "",
    department: Annotated[Word, Query(description="Code of the department, one of an institution")] = "",
    rule: Annotated[Word, Query(description="Id of the rule")] = "",
    phase: Annotated[Literal["", "before", "during"], Query(description="Before (3101) or during (3102)")] = "",
    reply: Annotated[
        Literal["", "continue", "change", "none"],
        Query(
            description="What the doctor did last: went on, changed the order, or nothing; of warnings that were told"
        ),
    ] = "",
    found: Annotated[Literal["", "yes", "no"], Query(description="Whether a finding came of it that stands")] = "",
    first: Annotated[CivilDay, Query(description="First day in China; by default 29 days before the last")] = "",
    last: Annotated[CivilDay, Query(description="Last day in China; today by default")] = "",
    after: Annotated[str, Query(description="Where the page before ended (its next)", max_length=500)] = "",
) -> WarningFilter:
    """The filter that an address holds; empty values, as forms send them, mean all, and of days the latest.

    Raises 422 for days that are none, in the wrong order, or too many.
    """
    until = as_day("last", last) or as_date(desk_of(request).today())
    since = as_day("first", first) or max(until, _FIRST) - timedelta(days=RECENT - 1)
    if until < since:
        raise unknown_value("last", "早于 first / expected a day not before first")
    if (until - since).days >= MOST_DAYS:
        raise unknown_value("first", f"首尾超过 {MOST_DAYS} 天 / expected {MOST_DAYS} days at most")
    return WarningFilter(
        institution=institution or None,
        department=department or None,
        rule=rule or None,
        phase=phase or None,
        first=since,
        last=until,
        reply=reply or None,
        found={"yes": True, "no": False}.get(found),
        after=_cursor(after),
    )


_FIRST = date(1, 2, 1)
"""The first day before which there are as many as are looked at."""

Chosen = Annotated[WarningFilter, Depends(warning_filter)]


def is_recent(chosen: WarningFilter, today: date) -> bool:
    """Whether a filter's days are those that hold where an address names none."""
    return chosen.last == today and chosen.first == today - timedelta(days=RECENT - 1)


def days_until(asked_at: datetime) -> dict[str, date]:
    """The days up to one on which something was asked, as words of an address; ``asked_at`` is UTC."""
    last = asked_at.astimezone(CHINA).date()
    return {"first": last - timedelta(days=RECENT - 1), "last": last}


def links_of(chosen: WarningFilter, today: date) -> Links:
    """Addresses of warnings with the same filter, from its first page on."""
    words = {
        "institution": chosen.institution,
        "department": chosen.department,
        "rule": chosen.rule,
        "phase": chosen.phase,
        "reply": chosen.reply,
        "found": {True: "yes", False: "no", None: None}[chosen.found],
        "first": None if is_recent(chosen, today) else chosen.first,
        "last": None if is_recent(chosen, today) else chosen.last,
    }
    return Links(PATH, words)
