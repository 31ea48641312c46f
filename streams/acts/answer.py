"""Reading in what an institution answers to the list of a lead: the answers, what was refused, and who did it, in one
transaction."""

from collections.abc import Sequence

from casework.answers import FilledRow, Position, read_in
from casework.audit import Act
from casework.sight import Sight
from knowledge_base.signs import UNSEEN
from streams.store.casework import answers, holders, lists
from streams.store.casework.answers import AnswerFile
from streams.store.people import audit
from streams.store.sessions import Connection


async def answer(
    connection: Connection, lead_id: str, rows: Sequence[FilledRow], hash: bytes, by: str, sight: Sight
) -> tuple[AnswerFile, bool]:
    """Keeps what the rows of a filled list say, and gives what they came to.

    The second is false for a file that was read in before, which changes nothing. Raises ``LeadUnknown`` (also for one
    out of sight).
    """
    async with connection.transaction():
        place = await holders.lock_lead(connection, lead_id, sight)
        if (same := await answers.find_same(connection, place, hash)) is not None:
            return same, False
        names = {row.finding_id.strip(UNSEEN) for row in rows}
        read = read_in(rows, await lists.find_listed(connection, place, sight, names))
        kept = await answers.save_file(connection, place, hash, by, read)
        counts = {"agreed": read.count(Position.AGREED), "disputed": read.count(Position.DISPUTED)}
        counts |= {"blank": read.blank, "refused": len(read.refusals)}
        said = {name: str(count) for name, count in counts.items()}
        await audit.note(connection, by, Act.ANSWERED, lead=lead_id, file=str(kept.file), **said)
        return kept, True
