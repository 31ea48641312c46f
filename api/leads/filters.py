"""Which leads, as addresses say it: the filter of the queue, where a page of it ended, and links that keep both."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec
from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from msgspec.structs import replace
from pydantic import ConfigDict, ValidationError, validate_call

from api.frame.addresses import Links, as_amount, as_day, unknown_value
from api.frame.desk import Shown
from api.frame.known import known_of
from casework.spelling import folded
from knowledge_base.cards import Card
from streams.store.casework.queue import SORTS, Cursor, Lead, LeadFilter

PAGE = 50
State = Literal["open", "snoozed", "returned", "confirmed", "dismissed", "all"]
LaneChoice = Literal["inspection", "data_quality", "all"]
Severity = Literal["", "1", "2", "3", "4"]
STATES = get_args(State)[:-1]
_DIGITS = 30


def encode_cursor(cursor: Cursor) -> str:
    """Where a page ended, as a word of an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Raises ``ValueError`` for a word that is none of ours."""
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Cursor)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise ValueError("no cursor") from error
    if not all(value.is_finite() and -_DIGITS < value.adjusted() < _DIGITS for value in (cursor.first, cursor.second)):
        raise ValueError("no cursor")
    return cursor


ME, NOBODY = "me", "nobody"

MOST_LIKE = 10
"""Items that are suggested where what was typed is none."""

STILL_COMING = timedelta(minutes=5)
"""What came so shortly before somebody left may be stored only now, so it is shown again."""


def lead_filter(
    request: Request,
    lane: Annotated[LaneChoice, Query(description="Lane of the lead, or all")] = "inspection",
    area: Annotated[str | None, Query(description="Pooling area that insures the patients")] = None,
    institution: Annotated[str | None, Query(description="Code of the institution")] = None,
    topic: Annotated[str | None, Query(description="Topic of the rules")] = None,
    year: Annotated[str | None, Query(description="Service year", pattern=r"^(\d{4})?$")] = None,
    severity: Annotated[Severity, Query(description="Grade of the rule, 1 to 4")] = "",
    maker: Annotated[str | None, Query(description="Rule or detector of which the lead holds a finding")] = None,
    item: Annotated[
        str | None, Query(description="Code or name of an item that a finding of the lead names", max_length=200)
    ] = None,
    new: Annotated[
        Literal["", "true"], Query(description="Only what came in since the visit before this one: true")
    ] = "",
    least: Annotated[str, Query(description="Amount in question at least, yuan", max_length=20)] = "",
    newest_from: Annotated[str | None, Query(description="Newest day not before this day")] = None,
    newest_to: Annotated[str | None, Query(description="Newest day not after this day")] = None,
    who: Annotated[str, Query(description="Who has it: a log-in, `me` or `nobody`", max_length=64)] = "",
    state: Annotated[State, Query(description="State of the lead, or all")] = "open",
    sort: Annotated[str, Query(description="What comes first", pattern=f"^({'|'.join(SORTS)})$")] = "expected",
    after: Annotated[str | None, Query(description="Where the page before ended (its next)")] = None,
) -> LeadFilter:
    """The filter that an address holds; empty values, as forms send them, mean all."""
    try:
        cursor = decode_cursor(after) if after else None
    except ValueError:
        raise unknown_value("after", "不是某页的下一页 / expected the next of a page") from None
    return LeadFilter(
        lane=None if lane == "all" else lane,
        area=area or None,
        institution=institution or None,
        topic=topic or None,
        year=int(year) if year else None,
        severity=int(severity) if severity else None,
        maker=maker or None,
        item=item or None,
        new_since=_new_since(request) if new else None,
        least=as_amount("least", least),
        newest_from=as_day("newest_from", newest_from),
        newest_to=as_day("newest_to", newest_to),
        holder=_holder(who, request),
        states=() if state == "all" else (state,),
        sort=sort,
        after=cursor,
        limit=PAGE,
    )


def _holder(who: str, request: Request) -> str | None:
    """Whose leads are meant: no log-in is called "me" or "nobody" (``casework.accounts``)."""
    if who == ME:
        login: str = request.state.session.login
        return login
    return "" if who == NOBODY else who or None


def _new_since(request: Request) -> datetime:
    """Since when something is new to whoever asks."""
    before: datetime | None = request.state.session.before_at
    if before is None:
        raise unknown_value("new", "在这之前没有访问过 / there was no visit before this one")
    return before - STILL_COMING


def checked(chosen: LeadFilter, shown: Shown) -> LeadFilter:
    """A filter with the codes that its item means, none for an item that nobody knows. Raises 422 for a topic that no
    rule in force has, and for a maker that is none of those shown."""
    if chosen.topic is not None and chosen.topic not in shown.topics:
        topics = ", ".join(shown.topics)
        raise unknown_value("topic", f"只能是 {topics} 之一 / expected one of {topics}")
    if chosen.maker is not None and chosen.maker not in {card.id for card in live_cards(shown)}:
        raise unknown_value("maker", "没有这样的现行规则或模型 / expected a rule or detector in force")
    if chosen.item is None:
        return chosen
    return replace(chosen, items=known_of(shown.rule_set).meant_by(chosen.item))


def fully_checked(chosen: LeadFilter, shown: Shown) -> LeadFilter:
    """The same, where an item that nobody knows and days in the wrong order are refused too: pages say it beside what
    they found, which is nothing."""
    chosen = checked(chosen, shown)
    if chosen.items == ():
        raise unknown_value("item", "没有这样的项目 / expected the code or name of an item")
    if is_turned(chosen):
        raise unknown_value("newest_to", "早于 newest_from / expected a day not before newest_from")
    return chosen


def is_turned(chosen: LeadFilter) -> bool:
    """Whether the last day of a filter is before its first."""
    first, last = chosen.newest_from, chosen.newest_to
    return first is not None and last is not None and last < first


def live_cards(shown: Shown) -> list[Card]:
    """The makers of the set in force whose findings people see, by their topic."""
    return sorted((card for card in shown.cards.values() if card.is_live), key=lambda card: (card.topic, card.id))


Chosen = Annotated[LeadFilter, Depends(lead_filter)]

_read: Callable[..., LeadFilter] = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(lead_filter)


def filter_of(request: Request, query: str, shown: Shown) -> LeadFilter:
    """The filter that a queue's address holds; where no queue would take it, the one that holds where none is said."""
    try:
        return checked(_read(request, **dict(parse_qsl(query))), shown)
    except (TypeError, ValueError, RequestValidationError):
        return _read(request)


def unfit_words(request: Request, query: str, shown: Shown) -> list[str]:
    """The parameters of a queue's address that are unknown today, or say what is; none where a queue takes it."""
    try:
        fully_checked(_read(request, **dict(parse_qsl(query))), shown)
    except (ValidationError, RequestValidationError) as error:
        return sorted({str(fault["loc"][-1]) for fault in error.errors()})
    return []


def address_in(query: str, lead: Lead) -> str:
    """The address of a lead, with the queue that led there and its place in it."""
    return f"/leads/{lead.lead_id}?{urlencode({'list': query, 'at': encode_cursor(lead.cursor)})}"


def links_of(chosen: LeadFilter) -> Links:
    """Addresses of the queue with the same filter, from its first page on."""
    words = {
        "lane": chosen.lane or "all",
        "area": chosen.area,
        "institution": chosen.institution,
        "topic": chosen.topic,
        "year": chosen.year,
        "severity": chosen.severity,
        "maker": chosen.maker,
        "item": chosen.item,
        "new": "true" if chosen.new_since else None,
        "least": chosen.least,
        "newest_from": chosen.newest_from,
        "newest_to": chosen.newest_to,
        "who": NOBODY if chosen.holder == "" else chosen.holder,
        "state": chosen.states[0] if chosen.states else "all",
        "sort": chosen.sort,
    }
    return Links("/", words, silent={"lane": "inspection", "state": "open", "sort": "expected"})


def query_of(chosen: LeadFilter) -> str:
    """What the address of the queue says of a filter, from its first page on."""
    return links_of(chosen)().partition("?")[2]


def items_like(typed: str, shown: Shown) -> list[str]:
    """Names of items that hold what somebody typed, where that is none of them itself."""
    return known_of(shown.rule_set).items.find(folded(typed), MOST_LIKE)
