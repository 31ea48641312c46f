"""Opening reasons at the desk: by page and interface alike, of a warning that whoever asks may see."""

from fastapi import Request

from api.access.sessions import Session
from api.frame.desk import desk_of
from streams.acts.reasons import open_reasons
from streams.store.events.warned import find_warning
from streams.store.sessions import borrowed


async def open_or_none(
    request: Request, session: Session, area: str, warning_id: str, purpose: str
) -> dict[int, str] | None:
    """The reasons given about a warning, by the number of their reply; ``None`` where there is none in sight.

    Raises ``ValueError`` for a purpose that says nothing, and ``WrongKey``.
    """
    desk = desk_of(request)
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        row = await find_warning(connection, area, warning_id, shown.sight)
        if row is None:
            return None
        return await open_reasons(connection, desk.vault, row, session.login, purpose)
