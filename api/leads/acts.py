"""What people do with a lead, on its page or through the interface: decide, and take a decision back.

Errors: ``Refused`` says why nothing was recorded; 404 where there is no such lead in sight.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from fastapi import HTTPException

from api.access.routes import KB
from api.access.sessions import Session
from api.frame.desk import Desk
from casework.decisions import Decision
from knowledge_base.days import Day
from streams.acts import assign as assigning
from streams.acts import bulk
from streams.acts import comment as commenting
from streams.acts import decide as acts
from streams.acts import snooze as snoozing
from streams.store.casework import decisions
from streams.store.casework.listing import Chosen
from streams.store.sessions import borrowed

MOST_DECISION = 64 * KB
"""Bytes of a body that holds a decision: the reason at its longest as escapes, and names of findings."""


class Refused(HTTPException):
    """Nothing was recorded. ``problem`` is the key of the text that tells people why (``problems``)."""

    def __init__(self, status: HTTPStatus, problem: str, detail: str):
        super().__init__(status, detail)
        self.status = status
        self.problem = problem


async def decide(desk: Desk, session: Session, lead_id: str, seen: int, chosen: Chosen, said: acts.Said) -> Decision:
    """Records a decision on chosen findings of a lead as it was ``seen``: in that version."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            return await acts.decide(connection, lead_id, seen, chosen, said, session.login, shown.sight)


async def undo(desk: Desk, session: Session, lead_id: str, decision_id: int, reason: str) -> Decision:
    """Takes back a decision that holds."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            return await acts.undo(connection, lead_id, decision_id, reason, session.login, shown.sight)


async def assign(
    desk: Desk, session: Session, lead_id: str, seen: str | None, to: str | None, until: Day | None
) -> None:
    """Gives a lead, that was ``seen`` with somebody, to another until a day, or to nobody."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            await assigning.assign(connection, lead_id, seen, to, until, session.login, shown.sight)


async def snooze(desk: Desk, session: Session, lead_id: str, until: Day | None) -> None:
    """Puts a lead off until a day is over, or takes it up again."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            await snoozing.snooze(connection, lead_id, until, session.login, shown.sight)


async def comment(desk: Desk, session: Session, lead_id: str, words: str) -> None:
    """Keeps a comment on a lead."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            await commenting.write(connection, lead_id, words, session.login, shown.sight)


async def take_comment_back(desk: Desk, session: Session, lead_id: str, comment_id: int) -> None:
    """Takes a comment of one's own back."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            await commenting.take_back(connection, lead_id, comment_id, session.login, shown.sight)


async def do_bulk(desk: Desk, session: Session, ticked: Mapping[str, str | None], wanted: bulk.Wanted) -> int:
    """Does the same to many leads, each with whom it was seen, and gives the number of the act."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            return await bulk.do(connection, ticked, wanted, session.login, shown.sight)


async def undo_bulk(desk: Desk, session: Session, number: int) -> None:
    """Puts leads back where one's own act found them."""
    async with borrowed(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        with _refusals():
            await bulk.undo(connection, number, session.login, shown.sight)


@contextmanager
def _refusals() -> Iterator[None]:
    """The one place where the store's errors become answers."""
    try:
        yield
    except decisions.LeadUnknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    except decisions.FindingsChanged as error:
        raise Refused(HTTPStatus.CONFLICT, "changed", type(error).__name__) from None
    except decisions.NothingChosen as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "nothing_chosen", type(error).__name__) from None
    except acts.GroundRefused as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "ground", type(error).__name__) from None
    except decisions.NotHolding as error:
        raise Refused(HTTPStatus.CONFLICT, "not_holding", type(error).__name__) from None
    except assigning.HolderChanged as error:
        raise Refused(HTTPStatus.CONFLICT, "holder_changed", type(error).__name__) from None
    except assigning.NotForThem as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "not_for_them", type(error).__name__) from None
    except commenting.NotYours as error:
        raise Refused(HTTPStatus.CONFLICT, "comment_not_yours", type(error).__name__) from None
    except (assigning.DayRefused, snoozing.DayRefused) as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "until", type(error).__name__) from None
    except bulk.NothingTicked as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "nothing_ticked", type(error).__name__) from None
    except bulk.TooMany as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "too_many_ticked", type(error).__name__) from None
    except bulk.NotUndoable as error:
        raise Refused(HTTPStatus.CONFLICT, "not_undoable", type(error).__name__) from None
    except ValueError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "reason", str(error)) from None
