"""Work that goes on in workers: sending a source and waiting until it is judged, or saying that nobody reads it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TypeVar

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.commands.output import Failure, Interrupted, note, notes
from streams.hosts.service import Service
from streams.jobs.reconciling import UnderWay, find_event_lags, find_under_way, reconcile
from streams.store.intake.reconciliation import Reconciliation
from streams.store.operation import overview
from streams.store.sessions import borrowed

Answer = TypeVar("Answer")


class Closing(msgspec.Struct, frozen=True):
    """What a run came to: received and its outcomes by source, findings by rule, leads, time."""

    received: int
    accepted: int
    duplicate: int
    conflict: int
    dead: int
    accepted_money: str
    lost: int
    waiting: int
    findings: dict[str, int]
    leads: int
    seconds: float
    claims_a_second: float


async def follow(
    service: Service, sending: AsyncIterator[int], size: int | None, position: Callable[[], int]
) -> tuple[int, float]:
    """Sends a source and waits until it is judged; returns messages judged meanwhile and seconds.

    Two bars, once its first messages were sent: how far the source is read (in bytes, where its size is known) and how
    much of what was sent is judged.
    """
    started = time.monotonic()
    before = await _consumed(service)
    is_more = await _next(service, sending)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=notes) as progress:
        reading = progress.add_task("读取 reading", total=size, rate="")
        judging = progress.add_task("判断 judging", total=None, rate="")
        while is_more:
            progress.update(reading, completed=position())
            await _show(service, progress, judging, before, started)
            is_more = await _next(service, sending)
        progress.update(reading, completed=position(), total=position())
        while not service.stop.is_set() and not (await _show(service, progress, judging, before, started)).is_done:
            await asyncio.sleep(0.2)
    end_if_stopped(service)
    return await _consumed(service) - before, time.monotonic() - started


def end_if_stopped(service: Service) -> None:
    """Raises ``Failure`` where judging failed, and ``Interrupted`` where the command was told to stop."""
    if service.failed:
        raise Failure("判断中止，见上面的日志 / judging stopped, see the log above")
    if service.stop.is_set():
        raise Interrupted(
            "已中断；已发送的都在，再运行一次即可继续 / interrupted; run it again to go on where it stopped"
        )


async def unless_stopped(service: Service, work: Awaitable[Answer]) -> Answer:
    """Waits for something. Raises as ``end_if_stopped`` does where the command is told to stop before it is there."""
    step = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(service.stop.wait())
    await asyncio.wait({step, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not step.done():
        step.cancel()
        end_if_stopped(service)
    return await step


async def _next(service: Service, sending: AsyncIterator[int]) -> bool:
    """Waits for the next step of sending; false where there is none. Raises as ``end_if_stopped`` does."""
    return await unless_stopped(service, anext(sending, None)) is not None


async def _show(service: Service, progress: Progress, judging: int, before: int, started: float) -> UnderWay:
    async with borrowed(service.pool) as connection:
        under_way = await find_under_way(connection, service.bus)
    done = await _consumed(service) - before
    rate = done / max(time.monotonic() - started, 0.001)
    progress.update(judging, completed=done, total=done + under_way.events, rate=f"{rate:,.0f}/s")  # type: ignore[arg-type]
    return under_way


async def _consumed(service: Service) -> int:
    return sum(lag.next for lag in await find_event_lags(service.bus))


async def close_run(service: Service, messages: int, seconds: float) -> tuple[Closing, Reconciliation]:
    """What the store says after a run."""
    async with borrowed(service.pool) as connection:
        account = await reconcile(connection, service.bus)
        findings = await overview.count_findings(connection)
        leads = await overview.count_leads(connection)
    closing = Closing(
        received=account.received,
        accepted=sum(row.accepted for row in account.sources),
        duplicate=sum(row.duplicate for row in account.sources),
        conflict=sum(row.conflict for row in account.sources),
        dead=sum(row.dead for row in account.sources),
        accepted_money=str(sum(row.accepted_money for row in account.sources)),
        lost=account.lost,
        waiting=sum(row.waiting or 0 for row in account.partitions),
        findings=findings,
        leads=leads,
        seconds=round(seconds, 1),
        claims_a_second=round(messages / seconds) if seconds else 0,
    )
    return closing, account


async def note_unread(service: Service, topics: Collection[str]) -> None:
    """Says it where nobody reads a topic at this moment: what was just sent there waits for a worker."""
    read = {lag.topic for lag in await service.bus.lags() if lag.owner is not None}
    unread = ", ".join(sorted(set(topics) - read))
    if unread:
        note(
            f"现在没有 worker 读取 {unread}，启动后才会处理 / no worker reads {unread} at this moment:"
            " what was sent waits until one runs (fundwatch worker)"
        )
