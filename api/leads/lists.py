"""The list of a lead for its institution: as a workbook to be filled in, and as a page to be printed.

Both are written to a file that nobody else finds before the first byte is sent: no connection waits for whoever reads.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from api.access.callers import Seer
from api.access.routes import Route
from api.access.sessions import Session, frame_of, note
from api.frame.desk import Shown, desk_of, snapshot, templates
from api.frame.render import render, texts_of
from api.leads.listed import ListRow, load_head, walk_rows
from api.leads.workbook import NUMBERS, PRINTED, SIGNED, TYPE, ListBook, list_texts
from casework.audit import Act
from streams.store.casework.queue import Lead, find_lead
from streams.store.sessions import Connection

router = APIRouter(include_in_schema=False, route_class=Route)

_STEP = 64 * 1024
"""Bytes of a file that are sent at once."""
_ROWS = b"<!-- rows -->"
"""Where the page holds its rows."""
_LAID_OUT: dict[str, Any] = {
    "columns": PRINTED,
    "numbers": NUMBERS,
    "signed": SIGNED,
    "thin": ("number", "quantity"),
    "long": ("sentence", "law", "remark"),
}


@router.get("/leads/{lead_id}/list.xlsx")
async def send_list(request: Request, session: Seer, lead_id: str) -> Response:
    """The list as a workbook, in Chinese for everybody: it goes to an institution, and is read back."""
    texts = list_texts()
    with ExitStack() as until_sent:
        file = until_sent.enter_context(tempfile.TemporaryFile())
        with tempfile.TemporaryDirectory() as folder:
            async with snapshot(desk_of(request).pool) as connection:
                shown, lead = await _find(request, session, connection, lead_id)
                head = await load_head(connection, shown, lead, texts)
                book = ListBook(file, Path(folder), head)
                rows = await _write(walk_rows(connection, shown, lead, texts), book.write)
            await asyncio.to_thread(book.close)
        await note(request, session, Act.EXPORTED, lead=lead_id, rows=str(rows), form="xlsx")
        name = quote(f"{texts('list.short', **head.words)} {head.institution}.xlsx", safe="")
        headers = {"Content-Type": TYPE, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        until_sent.pop_all()
        return _sent(file, headers)


@router.get("/leads/{lead_id}/list")
async def show_list(request: Request, session: Seer, lead_id: str) -> Response:
    """The list as a page, which prints with its institution and days on each sheet."""
    texts, of_rows = texts_of(request), templates().get_template("leads/list_rows.html")
    with ExitStack() as until_sent:
        file = until_sent.enter_context(tempfile.TemporaryFile())

        def write(rows: Sequence[ListRow]) -> None:
            file.write(of_rows.render(rows=rows, t=texts, **_LAID_OUT).encode())

        async with snapshot(desk_of(request).pool) as connection:
            shown, lead = await _find(request, session, connection, lead_id)
            head = await load_head(connection, shown, lead, texts)
            frame = await frame_of(connection, session)
            page = render(request, "leads/list.html", frame, head=head, **_LAID_OUT)
            above, _, below = bytes(page.body).partition(_ROWS)
            file.write(above)
            rows = await _write(walk_rows(connection, shown, lead, texts), write)
            file.write(below)
        await note(request, session, Act.EXPORTED, lead=lead_id, rows=str(rows), form="page")
        until_sent.pop_all()
        return _sent(file, {name: value for name, value in page.headers.items() if name != "content-length"})


async def _find(request: Request, session: Session, connection: Connection, lead_id: str) -> tuple[Shown, Lead]:
    shown = await desk_of(request).find_shown(connection, session)
    lead = await find_lead(connection, lead_id, shown.sight)
    if lead is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return shown, lead


async def _write(portions: AsyncIterator[list[ListRow]], write: Callable[[list[ListRow]], None]) -> int:
    """Writes rows beside the loop, portion by portion, and says how many there were."""
    count = 0
    async for rows in portions:
        await asyncio.to_thread(write, rows)
        count += len(rows)
    return count


def _sent(file: BinaryIO, headers: dict[str, str]) -> Response:
    """An answer that is a file, which is closed once it was sent."""
    length = file.seek(0, SEEK_END)
    return StreamingResponse(_parts(file), headers=headers | {"Content-Length": str(length)})


async def _parts(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while part := file.read(_STEP):
            yield part
