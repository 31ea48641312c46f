"""Comments on leads: written, and taken back by whoever wrote them."""

from casework.audit import Act
from casework.reasons import tidied_reason
from casework.sight import Sight
from streams.store.casework import comments, holders
from streams.store.people import audit
from streams.store.sessions import Connection


class NotYours(Exception):
    """There is no such comment of one's own that was not taken back."""


async def write(connection: Connection, lead_id: str, words: str, by: str, sight: Sight) -> int:
    """Keeps a comment on a lead and returns its number.

    Raises ``ValueError`` for words that say nothing, ``LeadUnknown`` (also for a lead out of sight).
    """
    words = tidied_reason(words)
    async with connection.transaction():
        place = await holders.lock_lead(connection, lead_id, sight)
        number = await comments.save_comment(connection, place.area, lead_id, words, by)
        await audit.note(connection, by, Act.COMMENTED, lead=lead_id, comment=str(number))
    return number


async def take_back(connection: Connection, lead_id: str, comment_id: int, by: str, sight: Sight) -> None:
    """Takes a comment of one's own back. Raises ``LeadUnknown``, ``NotYours``."""
    async with connection.transaction():
        place = await holders.lock_lead(connection, lead_id, sight)
        if not await comments.take_back(connection, place.area, lead_id, comment_id, by):
            raise NotYours
        await audit.note(connection, by, Act.TOOK_COMMENT_BACK, lead=lead_id, comment=str(comment_id))
