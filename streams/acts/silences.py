"""Saying that a sender's silence is known of until a day, and taking that back; each noted where it is done."""

from datetime import date

from casework.audit import Act
from casework.reasons import LONGEST_PURPOSE, tidied_reason
from casework.sight import Sight
from streams.store.intake import senders
from streams.store.intake.senders import Mute, Sender
from streams.store.people import audit
from streams.store.sessions import Connection

LONGEST = 365
"""Days for which a sender may be muted at most."""


class SenderUnknown(Exception):
    """There is no such sender in sight, or none that is muted."""


class MuteRefused(Exception):
    """A sender cannot be muted for no reason, or until a day that is over or too far ahead: ``why`` (reason | day)."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


async def mute(connection: Connection, sender: Sender, until: date, reason: str, by: str, sight: Sight) -> None:
    """Has nobody told of a sender until a day is over. Raises ``MuteRefused``, ``SenderUnknown``."""
    if not sight.today <= until.toordinal() <= sight.today + LONGEST:
        raise MuteRefused("day")
    try:
        reason = tidied_reason(reason, LONGEST_PURPOSE)
    except ValueError:
        raise MuteRefused("reason") from None
    async with connection.transaction():
        if not _is_in(sight, sender) or not await senders.save_mute(connection, sender, Mute(until, by, reason)):
            raise SenderUnknown
        await audit.note(connection, by, Act.MUTED_SENDER, **_said(sender), until=until.isoformat())


async def unmute(connection: Connection, sender: Sender, by: str, sight: Sight) -> None:
    """Takes that back. Raises ``SenderUnknown``."""
    async with connection.transaction():
        if not _is_in(sight, sender) or not await senders.delete_mute(connection, sender):
            raise SenderUnknown
        await audit.note(connection, by, Act.UNMUTED_SENDER, **_said(sender))


def _is_in(sight: Sight, sender: Sender) -> bool:
    return sight.institutions is None or sender.institution in sight.institutions


def _said(sender: Sender) -> dict[str, str]:
    return {"institution": sender.institution, "kind": sender.kind}
