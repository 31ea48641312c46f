"""The pages of warnings: the figures of some days with the list behind them, and one warning."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import Response

from api.access.callers import MayByForm, Seer
from api.access.kept import Kept, forget, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of, note
from api.frame.addresses import Links
from api.frame.desk import desk_of, snapshot
from api.frame.render import render, texts_of
from api.warnings.filters import PATH, Chosen, days_until, encode_cursor, links_of
from api.warnings.opening import open_or_none
from api.warnings.view import PAGE, asking_rules, load_warning, load_warnings, place_of
from api.warnings.wording import figures_sentence, share_words
from casework.audit import Act
from casework.precision import LEAST_DECIDED
from casework.reasons import LONGEST_PURPOSE
from casework.rights import Right
from knowledge_base.days import as_date
from streams.messages.vault import WrongKey
from streams.store.people.kept_forms import KeptForm

router = APIRouter(include_in_schema=False, route_class=Route)

ONE = f"{PATH}/{{area}}/{{warning_id}}"
REPLIES = ("continue", "change", "none")

Opener = Annotated[Session, Depends(MayByForm(Right.OPEN_REASONS, ONE))]


@router.get(PATH)
async def show_warnings(request: Request, session: Seer, chosen: Chosen) -> Response:
    desk, texts = desk_of(request), texts_of(request)
    today = as_date(desk.today())
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        view = await load_warnings(connection, shown, chosen)
        frame = await frame_of(connection, session)
    links = links_of(chosen, today)
    total = view.figures.total
    counts = {
        "all": total.told + view.figures.again + view.figures.late,
        "continue": total.continued,
        "change": total.changed,
        "none": total.unanswered,
    }
    return render(
        request,
        "warnings/warnings.html",
        frame,
        view=view,
        answer=figures_sentence(total, chosen, place_of(chosen, view.places), today, texts),
        share_of=lambda of: share_words(of, texts),
        chosen=chosen,
        narrowings=sum(word is not None for name, word in links.words.items() if name != "reply"),
        counts=counts,
        replies=REPLIES,
        cards=shown.cards,
        rules=asking_rules(shown),
        links=links,
        asked_before=None if view.last_asked is None else Links(PATH, days_until(view.last_asked))(),
        next=links(after=encode_cursor(view.rows[-1].cursor)) if len(view.rows) == PAGE else None,
        least_decided=LEAST_DECIDED,
    )


@router.get(f"{PATH}/{{area}}/{{warning_id}}")
async def show_warning(request: Request, session: Seer, area: str, warning_id: str, kept: Kept) -> Response:
    answer = await _render_warning(request, session, area, warning_id, kept=kept)
    await note(request, session, Act.SAW_EVIDENCE, area=area, warning=warning_id)
    return answer


@router.post(f"{PATH}/{{area}}/{{warning_id}}/reasons", max_body_size=16 * KB)
async def show_reasons(
    request: Request, session: Opener, area: str, warning_id: str, purpose: Annotated[str, Form()] = ""
) -> Response:
    """The reasons as doctors gave them, with a purpose that is noted beside the name of whoever asked."""
    problem, reasons = "", None
    try:
        reasons = await open_or_none(request, session, area, warning_id, purpose)
    except WrongKey:
        problem = "reason_sealed"
    except ValueError:
        problem = "purpose"
    if problem:
        await refuse(
            request, session, ONE.format(area=quote(area, safe=""), warning_id=quote(warning_id, safe="")), problem
        )
    if reasons is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    await forget(request, session)
    return await _render_warning(request, session, area, warning_id, reasons=reasons)


async def _render_warning(
    request: Request,
    session: Session,
    area: str,
    warning_id: str,
    kept: KeptForm | None = None,
    reasons: Mapping[int, str] | None = None,
) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        view = await load_warning(connection, shown, area, warning_id)
        if view is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        frame = await frame_of(connection, session)
    words: dict[str, Any] = {
        "row": view.row,
        "detail": view.detail,
        "orders": view.orders,
        "items": shown.items,
        "card": shown.cards.get(view.row.rule_id),
        "reasons": reasons,
        "kept": kept,
        "longest_purpose": LONGEST_PURPOSE,
    }
    return render(request, "warnings/warning.html", frame, **words)
