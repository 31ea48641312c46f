"""Reconciliation: what was received from whom on which day, what became of it, and what does not add up."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.access.callers import Watcher
from api.access.routes import Route
from api.access.sessions import frame_of
from api.frame.addresses import Links, PageNumber, as_day
from api.frame.desk import Desk, desk_of, find_lags, snapshot
from api.frame.render import render
from streams.bus import LONGEST_SOURCE
from streams.jobs.reconciling import find_partitions, reconcile
from streams.messages.unknown import MOST_NAMES
from streams.store.intake import reconciliation
from streams.store.intake.reconciliation import LedgerFilter, Reconciliation
from streams.store.intake.unknown_fields import find_unknown_fields
from streams.store.sessions import borrowed, passes_by_itself

router = APIRouter(include_in_schema=False, route_class=Route)

PATH = "/status/reconciliation"
PAGE = 60
_PATIENCE = 300


def ledger_filter(
    source: Annotated[str | None, Query(max_length=LONGEST_SOURCE)] = None,
    first: Annotated[str | None, Query(max_length=10)] = None,
    last: Annotated[str | None, Query(max_length=10)] = None,
) -> LedgerFilter:
    """The filter that an address holds; empty values, as forms send them, mean all."""
    return LedgerFilter(source or None, as_day("first", first), as_day("last", last))


@router.get(PATH)
async def show_reconciliation(
    request: Request,
    session: Watcher,
    chosen: Annotated[LedgerFilter, Depends(ledger_filter)],
    page: PageNumber = 1,
    full: bool = False,
) -> Response:
    desk = desk_of(request)
    lags = await find_lags(desk)
    account = await _reconciled(desk) if full else None
    async with snapshot(desk.pool) as connection:
        rows, count = await reconciliation.find_ledger(connection, chosen, (page - 1) * PAGE, PAGE)
        partitions = await find_partitions(connection, lags)
        sources = await reconciliation.find_sources(connection)
        unknown = await find_unknown_fields(connection, chosen.source)
        frame = await frame_of(connection, session)
    troubles = account.troubles if account else [trouble for row in partitions for trouble in row.troubles]
    return render(
        request,
        "operation/reconciliation.html",
        frame,
        rows=rows,
        count=count,
        chosen=chosen,
        page=page,
        pages=max(1, -(-count // PAGE)),
        partitions=partitions,
        sources=sources,
        unknown=unknown,
        most_unknown=MOST_NAMES,
        account=account,
        troubles=troubles,
        unreached=full and account is None,
        now=datetime.now(UTC),
        links=Links(PATH, {"source": chosen.source, "first": chosen.first, "last": chosen.last}),
    )


async def _reconciled(desk: Desk) -> Reconciliation | None:
    """The whole account, ``None`` where the bus or database does not answer."""
    try:
        async with asyncio.timeout(_PATIENCE), borrowed(desk.pool) as connection:
            return await reconcile(connection, desk.bus)
    except Exception as error:
        if not passes_by_itself(error):
            raise
        return None
