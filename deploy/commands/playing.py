"""Playing: the hospitals of the simulated county ask a gateway and send their bills, as their traffic has it."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, closing
from pathlib import Path

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.commands.output import Failure, notes
from deploy.commands.progress import unless_stopped
from deploy.county.hospital.diary import Asked, Replied, read_deeds
from deploy.county.hospital.line import Line, NoAnswer
from deploy.county.hospital.player import Player, Refused, read_rows
from deploy.county.hospital.scoring import AskingScore, score_asking
from streams.bus import Message
from streams.hosts.service import Service
from streams.jobs.reconciling import find_under_way
from streams.messages.codec import address_reader
from streams.store.sessions import borrowed
from streams.topics import CLAIMS

SOURCE = "county"
_EVERY = 0.02
"""Seconds after which it is looked again whether events are judged."""

_address_of = address_reader(otherwise=CLAIMS)


class Played(msgspec.Struct, frozen=True):
    """What came of a traffic: requests answered, warnings, replies to them, requests that were not judged in time, and
    how much was warned of that would have been wrong."""

    requests: int
    warnings: int
    replies: int
    not_judged: int
    score: AskingScore


async def play_traffic(service: Service, address: str, key: str | None, traffic: Path, diary: Path) -> Played:
    """Plays a traffic to its end, with a bar. Raises ``Failure`` and ``Interrupted``.

    It may be played again from its beginning after it was stopped: the same messages get the same answers.
    """
    rows = await asyncio.to_thread(_count, traffic)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    unfinished = diary.with_name(f"{diary.name}.part")
    with closing(Line(address, key)) as line, unfinished.open("wb") as deeds, Progress(*columns, console=notes) as bar:
        task = bar.add_task("医院询问并结算 hospitals asking and billing", total=rows)
        player = Player(line, lambda events: _send(service, events), deeds)
        try:
            async with aclosing(player.play(read_rows(traffic))) as steps:
                while (sent := await unless_stopped(service, anext(steps, None))) is not None:
                    bar.update(task, completed=sent)
        except (Refused, NoAnswer) as error:
            raise Failure(f"网关没有受理模拟医院的报文 / the gateway did not take a message: {error}") from None
    unfinished.replace(diary)
    return await asyncio.to_thread(count_played, traffic, diary)


def count_played(traffic: Path, diary: Path) -> Played:
    """What a diary comes to."""
    requests = warnings = replies = not_judged = 0
    deeds = list(read_deeds(diary))
    for deed in deeds:
        if isinstance(deed, Asked):
            requests, warnings = requests + 1, warnings + len(deed.warnings)
            not_judged += bool(deed.not_evaluated)
        elif isinstance(deed, Replied):
            replies += 1
    return Played(requests, warnings, replies, not_judged, score_asking(read_rows(traffic), deeds))


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


async def _send(service: Service, events: Sequence[bytes]) -> None:
    """Sends events to the bus as an import does, and returns once they are judged."""
    by_topic: dict[str, list[Message]] = {}
    for event in events:
        topic, key = _address_of(event)
        by_topic.setdefault(topic, []).append(Message(key, event, SOURCE))
    async with borrowed(service.pool) as connection, connection.transaction():
        for topic, messages in sorted(by_topic.items()):
            await service.bus.send(topic, messages, within=connection)
    await wait_until_judged(service)


async def wait_until_judged(service: Service) -> None:
    """Waits until all events that were sent so far are in the store."""
    while True:
        async with borrowed(service.pool) as connection:
            if not (await find_under_way(connection, service.bus)).events:
                return
        await asyncio.sleep(_EVERY)
