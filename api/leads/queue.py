"""The queue: leads by filters that stand in the address, in an order that says by what and why."""

import base64
import binascii
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from api.access import sessions
from api.frame.desk import desk_of, snapshot
from api.frame.render import render, texts_of
from api.frame.sentences import topic_name
from rules_lib.rule import TOPICS
from streams.store.casework import queue
from streams.store.casework.queue import SORTS, Cursor, Lead, LeadFilter

router = APIRouter(include_in_schema=False)

PAGE = 50
STATES = ("open", "returned", "confirmed", "dismissed")
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


def lead_filter(
    area: Annotated[str | None, Query(description="Pooling area that insures the patients")] = None,
    institution: Annotated[str | None, Query(description="Code of the institution")] = None,
    topic: Annotated[str | None, Query(description="Topic of the rules")] = None,
    year: Annotated[str | None, Query(description="Service year", pattern=r"^(\d{4})?$")] = None,
    severity: Annotated[str | None, Query(description="Grade of the rule, 1 to 4", pattern=r"^[1-4]?$")] = None,
    state: Annotated[str, Query(description="open, returned, confirmed, dismissed or all")] = "open",
    sort: Annotated[str, Query(description=f"One of {', '.join(SORTS)}")] = "severity",
    after: Annotated[str | None, Query(description="Where the page before ended (its next)")] = None,
) -> LeadFilter:
    """The filter that an address holds; empty values, as forms send them, mean all."""
    if sort not in SORTS or state not in (*STATES, "all"):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        cursor = decode_cursor(after) if after else None
    except ValueError:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY) from None
    return LeadFilter(
        area=area or None,
        institution=institution or None,
        topic=topic or None,
        year=int(year) if year else None,
        severity=int(severity) if severity else None,
        states=() if state == "all" else (state,),
        sort=sort,
        after=cursor,
        limit=PAGE,
    )


class Links:
    """Addresses of the queue that differ from the present one in a few words."""

    def __init__(self, chosen: LeadFilter):
        self.words: dict[str, Any] = {
            "area": chosen.area,
            "institution": chosen.institution,
            "topic": chosen.topic,
            "year": chosen.year,
            "severity": chosen.severity,
            "state": chosen.states[0] if chosen.states else "all",
            "sort": chosen.sort,
        }

    def __call__(self, **changed: object) -> str:
        words = {name: value for name, value in {**self.words, **changed}.items() if value is not None}
        if words.get("state") == "open":
            del words["state"]
        if words.get("sort") == "severity":
            del words["sort"]
        return "/?" + urlencode(words) if words else "/"


@router.get("/")
async def show_queue(request: Request, chosen: Annotated[LeadFilter, Depends(lead_filter)]) -> Response:
    session = await sessions.require_session(request)
    desk, texts = desk_of(request), texts_of(request)
    async with snapshot(desk.pool) as connection:
        leads = await queue.find_leads(connection, chosen, desk.today())
        counts = await queue.find_state_counts(connection, chosen, desk.today())
        institutions, years = await queue.find_choices(connection)
        frame = await sessions.frame_of(connection, session)
    links = Links(chosen)
    return render(
        request,
        "leads/queue.html",
        frame,
        leads=leads,
        counts=counts,
        total=counts.get(chosen.states[0], 0) if chosen.states else sum(counts.values()),
        chosen=chosen,
        links=links,
        next=_next(leads, links),
        institutions=institutions,
        years=years,
        topics=[(topic, topic_name(topic, texts)) for topic in TOPICS],
        states=STATES,
        sorts=tuple(SORTS),
    )


def _next(leads: list[Lead], links: Links) -> str | None:
    return links(after=encode_cursor(leads[-1].cursor)) if len(leads) == PAGE else None
