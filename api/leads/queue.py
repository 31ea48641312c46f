"""The queue: leads by filters that stand in the address, in an order that says by what and why."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.access.callers import Seer
from api.access.kept import Kept
from api.access.routes import Route
from api.access.sessions import frame_of
from api.frame.addresses import MOST_WHOLE, Links
from api.frame.desk import desk_of, snapshot
from api.frame.render import render, texts_of
from api.frame.sentences import topic_name
from api.leads.choices import institution_options
from api.leads.days import days_held
from api.leads.did import find_did
from api.leads.filters import (
    PAGE,
    STATES,
    Chosen,
    address_in,
    checked,
    encode_cursor,
    is_turned,
    items_like,
    links_of,
    live_cards,
)
from api.leads.news import find_news
from api.leads.saved import find_saved
from casework.rights import Right
from knowledge_base.days import as_date
from streams.acts.assign import find_colleagues
from streams.acts.bulk import Wish
from streams.store.casework import queue
from streams.store.casework.queue import SORTS, Lead, LeadFilter

router = APIRouter(include_in_schema=False, route_class=Route)


@router.get("/")
async def show_queue(
    request: Request,
    session: Seer,
    chosen: Chosen,
    kept: Kept,
    done: Annotated[int | None, Query(ge=0, le=MOST_WHOLE)] = None,
    did: Annotated[int | None, Query(ge=0, le=MOST_WHOLE)] = None,
) -> Response:
    """A page of the queue; ``done`` is the saved filter with which something was just done, ``did`` what was done to
    many leads."""
    desk, texts = desk_of(request), texts_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        chosen = checked(chosen, shown)
        leads = await queue.find_leads(connection, chosen, shown.sight)
        counts = await queue.find_counts(connection, chosen, shown.sight)
        choices = await queue.find_choices(connection, shown.sight)
        done_to_many = (
            None if did is None else await find_did(connection, did, session.login, as_date(shown.sight.today))
        )
        may_decide = Right.DECIDE in session.rights
        colleagues = await find_colleagues(connection, shown.sight) if may_decide else []
        news = await find_news(connection, session, chosen.lane, shown.sight)
        saved = await find_saved(connection, request, session, shown, chosen, done)
        frame = await frame_of(connection, session)
    links = links_of(chosen)
    of_lanes = {lane: _count(of_states, chosen) for lane, of_states in counts.items()}
    of_states = sum(map(Counter, [counts[chosen.lane]] if chosen.lane else counts.values()), Counter[str]())
    return render(
        request,
        "leads/queue.html",
        frame,
        kept=kept,
        did=done_to_many,
        wishes=[wish.value for wish in Wish],
        colleagues=colleagues,
        held=days_held(desk),
        leads=leads,
        lanes=of_lanes,
        counts=of_states,
        total=_count(of_states, chosen),
        chosen=chosen,
        news=news,
        saved=saved,
        days_turned=is_turned(chosen),
        narrowings=_narrowings(links),
        items_like=items_like(chosen.item, shown) if chosen.item and not chosen.items else [],
        links=links,
        place=links(after=encode_cursor(chosen.after) if chosen.after else None).partition("?")[2],
        address_in=address_in,
        next=_next(leads, links),
        choices=choices,
        institution_options=await institution_options(shown, choices, chosen.institution),
        topic_words=shown.topics,
        topics=[(topic, topic_name(topic, shown.topics, texts)) for topic in shown.topics],
        makers=live_cards(shown),
        states=STATES,
        sorts=tuple(SORTS),
    )


def _count(of_states: Mapping[str, int], chosen: LeadFilter) -> int:
    """How many leads are in the states that were chosen."""
    return sum(of_states.get(state, 0) for state in chosen.states or of_states)


def _narrowings(links: Links) -> int:
    """How many fields of the filters' form narrow a queue."""
    elsewhere = ("lane", "state", "sort", "new")
    return sum(word is not None for name, word in links.words.items() if name not in elsewhere)


def _next(leads: list[Lead], links: Links) -> str | None:
    return links(after=encode_cursor(leads[-1].cursor)) if len(leads) == PAGE else None
