"""What an institution answers to the list of a lead: the filled list is read in here, and shown by finding."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, HTTPException, Query, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from api.access.callers import MayByForm, Seer
from api.access.kept import Kept, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of
from api.frame.addresses import MOST_WHOLE, Links, PageNumber
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render
from api.leads.filled import MOST_FILE, FileRefused, read_filled
from api.leads.view import find_names
from api.leads.workbook import heading
from casework.answers import Refusal
from casework.rights import Right
from knowledge_base.cards import Card
from knowledge_base.findings import FindingVersion, GuiltyPart
from rules_lib.wording import Names
from streams.acts.answer import answer
from streams.store.casework import answers
from streams.store.casework.answers import AnswerFile, GivenAnswer, Summary
from streams.store.casework.decisions import LeadUnknown
from streams.store.casework.lists import line_id, line_name
from streams.store.casework.queue import Lead, find_lead
from streams.store.sessions import Connection, borrowed

router = APIRouter(include_in_schema=False, route_class=Route)

PAGE = 30
"""Findings of a page."""

REFUSED_PAGE = 50
"""Refused rows of a page."""

MOST_SHOWN = 20
"""Files whose reading is listed."""

_FILLED = ("finding", "version", "ordinal", "line", "position", "remark")
"""The columns of a list that are read back, in the order of ``casework.answers.FilledRow``."""

Answerer = Annotated[Session, Depends(MayByForm(Right.ANSWER, "/leads/{lead_id}/answers"))]


@dataclass(frozen=True)
class AnsweredLine:
    """A line of a finding with what was answered to it; ``part`` is ``None`` for a finding without lines."""

    line_id: str
    part: GuiltyPart | None
    given: GivenAnswer | None


@dataclass(frozen=True)
class Answered:
    """A finding with its lines and what was answered to each."""

    version: FindingVersion
    card: Card
    lines: list[AnsweredLine]


@dataclass(frozen=True)
class AnswersView:
    """Everything that the page says; ``chosen`` is a file with a page of its refused rows."""

    lead: Lead
    summary: Summary
    files: list[AnswerFile]
    chosen: AnswerFile | None
    refused: list[Refusal]
    answered: list[Answered]
    names: Names
    page: int
    pages: int
    refused_page: int

    @property
    def refused_pages(self) -> int:
        return 1 if self.chosen is None else max(1, -(-self.chosen.refused // REFUSED_PAGE))


@router.get("/leads/{lead_id}/answers")
async def show_answers(
    request: Request,
    session: Seer,
    lead_id: str,
    kept: Kept,
    page: PageNumber = 1,
    file: Annotated[int | None, Query(ge=1, le=MOST_WHOLE)] = None,
    refused: PageNumber = 1,
    again: bool = False,
) -> Response:
    """What was answered by finding, and what became of a ``file``; ``again`` says that it had been read in before."""
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        lead = await find_lead(connection, lead_id, shown.sight)
        if lead is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        view = await _load_view(connection, shown, lead, page, file, refused)
        frame = await frame_of(connection, session)
    links = Links(f"/leads/{lead_id}/answers", {"page": view.page, "file": file, "refused": view.refused_page}, _SILENT)
    words: dict[str, Any] = {
        "view": view,
        "links": links,
        "again": again,
        "topics": shown.topics,
        "most": MOST_FILE // 2**20,
    }
    return render(request, "leads/answers.html", frame, kept=kept, **words)


_SILENT = {"page": 1, "refused": 1}


@router.post("/leads/{lead_id}/answers", max_body_size=MOST_FILE + 4 * KB, form_limits={"max_files": 1})
async def read_answers(
    request: Request, session: Answerer, lead_id: str, file: Annotated[UploadFile, File()]
) -> Response:
    """Reads a filled list in, and leads to what became of it."""
    page, desk = f"/leads/{lead_id}/answers", desk_of(request)
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        if await find_lead(connection, lead_id, shown.sight) is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
    content = await file.read()
    try:
        rows = await read_filled(content, [heading(column) for column in _FILLED])
    except FileRefused as refusal:
        await refuse(request, session, page, refusal.problem)
    hash = hashlib.blake2b(content, digest_size=32).digest()
    async with borrowed(desk.pool) as connection:
        try:
            read, is_new = await answer(connection, lead_id, rows, hash, session.login, shown.sight)
        except LeadUnknown:
            raise HTTPException(HTTPStatus.NOT_FOUND) from None
    return RedirectResponse(f"{page}?file={read.file}{'' if is_new else '&again=1'}", HTTPStatus.SEE_OTHER)


async def _load_view(
    connection: Connection, shown: Shown, lead: Lead, page: int, file: int | None, refused_page: int
) -> AnswersView:
    sight = shown.sight
    pages = max(1, -(-await answers.count_answered(connection, lead, sight) // PAGE))
    page = min(page, pages)
    versions = await answers.find_answered(connection, lead, sight, (page - 1) * PAGE, PAGE)
    given = await answers.find_answers(connection, lead, sight, [version.finding_id for version in versions])
    chosen = None if file is None else await answers.find_file(connection, lead, file)
    if file is not None and chosen is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    refused: list[Refusal] = []
    if chosen is not None:
        refused_page = min(refused_page, max(1, -(-chosen.refused // REFUSED_PAGE)))
        offset = (refused_page - 1) * REFUSED_PAGE
        refused = await answers.find_refused(connection, lead, chosen.file, offset, REFUSED_PAGE)
    return AnswersView(
        lead=lead,
        summary=await answers.find_summary(connection, lead, sight),
        files=await answers.find_files(connection, lead, MOST_SHOWN),
        chosen=chosen,
        refused=refused,
        answered=[_answered(version, shown, given) for version in versions],
        names=await find_names(connection, shown, versions),
        page=page,
        pages=pages,
        refused_page=refused_page,
    )


def _answered(version: FindingVersion, shown: Shown, given: Mapping[tuple[str, str], GivenAnswer]) -> Answered:
    name = version.finding_id
    lines = [AnsweredLine(line_id(part), part, given.get((name, line_name(part)))) for part in version.finding.guilty]
    return Answered(version, shown.cards[version.maker.id], lines or [AnsweredLine("", None, given.get((name, "")))])
