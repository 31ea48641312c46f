"""Opening what doctors gave as their reasons for going on: noted in the transaction in which it is done."""

from casework.audit import Act
from casework.reasons import LONGEST_PURPOSE, tidied_reason
from streams.messages.vault import Vault
from streams.store.events import warned
from streams.store.events.warned import WarningRow
from streams.store.people import audit
from streams.store.sessions import Connection


async def open_reasons(
    connection: Connection, vault: Vault, of: WarningRow, seen_by: str, purpose: str
) -> dict[int, str]:
    """The reasons given about a warning that was found in sight, by the arrival number of their replies; that somebody
    looked is noted with their purpose.

    Raises ``ValueError`` for a purpose that says nothing, and ``WrongKey``.
    """
    purpose = tidied_reason(purpose, LONGEST_PURPOSE)
    async with connection.transaction():
        sealed = await warned.save_view(connection, of, seen_by, purpose)
        await audit.note(connection, seen_by, Act.OPENED_REASONS, area=of.area, warning=of.warning_id)
        return {seq: vault.open(text.encode()).decode() for seq, text in sealed.items()}
