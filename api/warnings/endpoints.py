"""The JSON interface to warnings: the same list, figures and single warnings as the pages."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request

from api.access.callers import MayByHeader, Seer
from api.access.routes import KB, Route
from api.access.sessions import Session, note
from api.frame.desk import desk_of, snapshot
from api.frame.render import texts_of
from api.warnings.filters import Chosen, encode_cursor
from api.warnings.models import (
    Problem,
    PurposeIn,
    ReasonOut,
    WarningDetail,
    WarningFigures,
    WarningList,
    WarningOut,
)
from api.warnings.opening import open_or_none
from api.warnings.view import PAGE, load_figures, load_precisions, load_warning, place_of
from api.warnings.wording import figures_sentence
from casework.audit import Act
from casework.rights import Right
from knowledge_base.days import as_date
from streams.messages.vault import WrongKey
from streams.store.events import warned

Opener = Annotated[Session, Depends(MayByHeader(Right.OPEN_REASONS))]
Responses = dict[int | str, dict[str, Any]]

_CLOSED: Responses = {
    401: {"model": Problem, "description": "Nobody is signed in"},
    403: {"model": Problem, "description": "The right is lacking, or a password of one's own is to be chosen first"},
}
_PROBLEMS: Responses = {
    **_CLOSED,
    404: {"model": Problem, "description": "There is none of this name, or it may not be shown"},
}
_REFUSALS: Responses = {
    **_PROBLEMS,
    403: {"model": Problem, "description": "X-CSRF-Token is missing or wrong, or the right is lacking"},
    409: {"model": Problem, "description": "The purpose says nothing, or the reasons are sealed with another key"},
}

router = APIRouter(prefix="/api", route_class=Route, tags=["warnings"])


@router.get("/warnings", summary="One page of the warnings of some days", responses=_CLOSED)
async def get_warnings(request: Request, session: Seer, chosen: Chosen) -> WarningList:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        rows = await warned.find_warnings(connection, chosen, shown.sight, PAGE)
    more = encode_cursor(rows[-1].cursor) if len(rows) == PAGE else None
    return WarningList(warnings=[WarningOut.of(row) for row in rows], next=more)


@router.get("/warnings/figures", summary="What was done about the warnings of some days", responses=_CLOSED)
async def get_figures(request: Request, session: Seer, chosen: Chosen) -> WarningFigures:
    """By department and by rule, whatever `reply`, `found` and `after` say."""
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        figures = await load_figures(connection, shown, chosen)
        precisions = await load_precisions(connection, figures)
        place = place_of(chosen, await warned.find_places(connection, shown.sight))
    sentence = figures_sentence(figures.total, chosen, place, as_date(desk.today()), texts_of(request))
    return WarningFigures.of(figures, precisions, sentence, chosen.first, chosen.last)


@router.get("/warnings/{area}/{warning_id}", summary="A warning", responses=_PROBLEMS)
async def get_warning(request: Request, session: Seer, area: str, warning_id: str) -> WarningDetail:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        view = await load_warning(connection, shown, area, warning_id)
    if view is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    await note(request, session, Act.SAW_EVIDENCE, area=area, warning=warning_id)
    return WarningDetail.of(view)


@router.post(
    "/warnings/{area}/{warning_id}/reasons",
    summary="Open the reasons given about a warning, for a purpose that is kept",
    max_body_size=16 * KB,
    responses=_REFUSALS,
)
async def post_reasons(
    request: Request, session: Opener, area: str, warning_id: str, body: PurposeIn
) -> list[ReasonOut]:
    try:
        reasons = await open_or_none(request, session, area, warning_id, body.purpose)
    except ValueError:
        raise HTTPException(HTTPStatus.CONFLICT, "请用文字写明用途 / purpose: expected words") from None
    except WrongKey:
        raise HTTPException(HTTPStatus.CONFLICT, "用另一把密钥封存 / sealed with another key") from None
    if reasons is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return [ReasonOut(reply=seq, reason=reason) for seq, reason in sorted(reasons.items(), reverse=True)]
