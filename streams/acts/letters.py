"""Looking at a dead letter's bytes, and sending letters again: each noted in the transaction in which it is done.

On a bus outside the store a crash in the middle of a step sends it twice, and the second time counts as duplicates.
"""

from casework.audit import Act
from casework.reasons import LONGEST_PURPOSE, tidied_reason
from streams.bus import Bus, Message
from streams.messages.vault import Vault
from streams.store.intake import dead_letters
from streams.store.intake.dead_letters import LetterFilter
from streams.store.people import audit
from streams.store.sessions import Connection

STEP = 500
STEP_BYTES = 16 * 2**20
"""Letters a step, and sealed bytes from which on it takes no more: opening them holds the loop of whoever replays."""


async def open_letter(connection: Connection, vault: Vault, seq: int, seen_by: str, purpose: str) -> bytes:
    """The bytes of a dead letter as they came; that somebody looked is noted with them.

    Raises ``ValueError`` for a purpose that says nothing, and ``WrongKey``.
    """
    purpose = tidied_reason(purpose, LONGEST_PURPOSE)
    async with connection.transaction():
        body = vault.open(await dead_letters.save_view(connection, seq, seen_by, purpose))
        await audit.note(connection, seen_by, Act.OPENED_LETTER, letter=str(seq))
        return body


async def begin_replay(connection: Connection, chosen: LetterFilter, asked_by: str) -> int | None:
    """Keeps which letters are to be sent again, and gives the replay's number; ``None`` where there is none."""
    async with connection.transaction():
        number = await dead_letters.begin_replay(connection, chosen, asked_by)
        if number is not None:
            await audit.note(connection, asked_by, Act.BEGAN_REPLAY, replay=str(number))
        return number


async def go_on_replaying(connection: Connection, bus: Bus, vault: Vault, number: int) -> bool:
    """Sends the next letters of a replay, in one transaction; false where none was left. Raises ``WrongKey``."""
    async with connection.transaction():
        letters = await dead_letters.take_letters(connection, number, STEP, STEP_BYTES)
        if letters is None:
            return False
        by_topic: dict[str, list[Message]] = {}
        for letter in letters:
            message = Message(letter.key, vault.open(letter.body), f"replay {number}")
            by_topic.setdefault(letter.topic, []).append(message)
        for topic, messages in sorted(by_topic.items()):
            await bus.send(topic, messages, within=connection)
        is_whole = len(letters) == STEP or sum(len(letter.body) for letter in letters) >= STEP_BYTES
        await dead_letters.move_replay(connection, number, len(letters), is_finished=not is_whole)
    return is_whole
