"""After a restore: findings are sent again, because the bus still holds those of the time that no longer is.

A database that is set back to an earlier point numbers the versions of its findings from there on, and its batches are
others than before. So a topic that was not set back with it holds versions that are higher than those to come and may
say something else; a reader that keeps the highest would keep them for good. Readers in the store therefore pass over
everything sent so far, and get the current version of every finding again. Claims need nothing: they are read on from
the offset that was set back, and what was accepted is a function of them.
"""

from casework.audit import Act
from streams.bus import Bus, Lag
from streams.handlers.judging import finding_message
from streams.store.people import audit
from streams.store.sessions import Pool, borrowed
from streams.store.transport import outbox, resending
from streams.topics import FINDINGS, LEADS


async def resend_findings(pool: Pool, bus: Bus, by: str) -> tuple[int, list[Lag]]:
    """Puts every finding's current version into the outbox; readers begin behind what was sent before.

    Returns how many findings, and where the topic ended. Safe beside working workers: whoever reads is fenced, and
    reads on from there. Done twice it does the same again. Who asked for it is noted.
    """
    ends = [lag for lag in await bus.lags(LEADS) if lag.topic == FINDINGS]
    findings = 0
    async with borrowed(pool) as connection, connection.transaction():
        await resending.skip_to_end(connection, ends)
        async for versions in resending.find_current_versions(connection):
            await outbox.save_outbox(connection, FINDINGS, map(finding_message, versions))
            findings += len(versions)
        await audit.note(connection, by, Act.RESENT_FINDINGS, findings=str(findings))
    return findings, ends
