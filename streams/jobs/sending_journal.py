"""Sending the journal: what a process keeps on its disk goes to the bus in order, and is marked there as sent.

Nothing is marked that the bus has not acknowledged, so a crash between the two sends some messages twice and loses
none; readers drop repeats by their ids. Without a crash a message is sent again only where the bus failed, or hung at
the end, in the middle of a sending: then nobody knows whether it has them.
"""

import asyncio
import logging
from contextlib import suppress

from streams.bus import Bus, Message
from streams.buses.endings import finished
from streams.journal.journal import Journal
from streams.store.sessions import passing_errors

logger = logging.getLogger("fundwatch.journal")

_MOST = 500
_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_LAST_SECONDS = 4.0


async def send_unsent(journal: Journal, bus: Bus) -> int:
    """Sends the first records that are not sent, up to 500, marks them, and returns how many there were.

    Those of a topic go together, in their order. What the bus raises is raised, and topics that it had acknowledged
    before stay marked.
    """
    kept = await journal.unsent(_MOST)
    if not kept:
        return 0
    by_topic: dict[str, list[Message]] = {}
    for of in kept:
        by_topic.setdefault(of.topic, []).append(of.message)
    for topic, messages in by_topic.items():
        await bus.send(topic, messages)
        await journal.sent_up_to(kept[-1].position, topic)
    await journal.sent_up_to(kept[-1].position)
    return len(kept)


async def run_sending_journal(journal: Journal, bus: Bus, stop: asyncio.Event) -> None:
    """Sends what is appended until told to stop; while the bus is away it tries again after longer and longer pauses.

    Raises what does not pass by itself, as that there is no such topic. What is not sent at the end stays for the next
    process.
    """
    pause = _PAUSE
    while not stop.is_set():
        is_away, sent = True, 0
        with passing_errors(logger, "journal"):
            sent = await finished(send_unsent(journal, bus), stop, _LAST_SECONDS)
            is_away = False
        if is_away:
            await _wait(stop, pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            continue
        pause = _PAUSE
        if not sent:
            with suppress(TimeoutError):
                await finished(journal.arrived.wait(), stop, 0)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
