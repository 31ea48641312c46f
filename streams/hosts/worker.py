"""The worker: reads batches, hands them to a handler, and survives what goes wrong.

Errors are sorted here and nowhere else. Fenced: the partition is another worker's. Transient (deadlock, lost or full
database): the batch is tried again, with back-off, for as long as it takes; nothing is dead-lettered for them.
A rule set that this program cannot judge by, or a store that is not as it expects: the worker stops with an alarm.
Anything else is an error of the data:
the batch is halved, each half a transaction of its own, until the one record that cannot be handled stands alone and
is dead-lettered.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from streams.bus import Batch, Consumer, Fenced, Record
from streams.buses.endings import finished
from streams.handlers.rule_sets import RuleSetUnusable
from streams.hosts import metrics
from streams.hosts.garbage import collector_kept_off
from streams.pipeline.reports import Report
from streams.store.sessions import Connection, is_of_the_store, passes_by_itself, passing_errors

logger = logging.getLogger("fundwatch.worker")

_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_LAST_SECONDS = 4.0


class Handler(Protocol):
    """What is done with a batch, in one transaction that also moves the offset."""

    async def handle(self, connection: Connection, batch: Batch) -> Report: ...

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        """Dead-letters the one record of a batch that cannot be handled, and moves the offset past it."""


Connect = Callable[[], Awaitable[Connection]]


class Worker:
    """One loop over one consumer, with a database session of its own that is made again when it is lost."""

    def __init__(self, connect: Connect, handler: Handler, max_records: int = 1000, max_bytes: int = 8_000_000):
        self._connect = connect
        self._handler = handler
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._connection: Connection | None = None
        self.batches = 0
        self.records = 0

    async def open(self) -> int:
        """Opens the database session and returns its backend's process id, for the group's lease."""
        self._connection = await self._connect()
        pid: int = self._connection.get_server_pid()
        return pid

    async def run(self, consumer: Consumer, stop: asyncio.Event, until_idle: bool = False) -> None:
        """Handles batches until told to stop, or until a fetch finds nothing where ``until_idle``."""
        with collector_kept_off() as collect:
            await self._run(consumer, stop, until_idle, collect)

    async def _run(
        self, consumer: Consumer, stop: asyncio.Event, until_idle: bool, collect: Callable[[], None]
    ) -> None:
        pause = _PAUSE
        while not stop.is_set():
            collect()
            fetched = False
            with passing_errors(logger, "fetch"):
                batch = await consumer.fetch(self._max_records, self._max_bytes, wait=0.2 if until_idle else 1.0)
                fetched = True
            if not fetched:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _PAUSE
            if batch is not None:
                await self._work_off(consumer, batch, stop)
            elif until_idle:
                return

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close(timeout=2)

    async def _work_off(self, consumer: Consumer, batch: Batch, stop: asyncio.Event) -> None:
        """A batch, and where it fails for its data its halves, in order."""
        waiting = [batch]
        while waiting:
            current = waiting.pop(0)
            try:
                try:
                    written = await self._write(consumer, current, stop)
                except _DataFault as fault:
                    if len(current.records) > 1:
                        waiting = [*current.halves(), *waiting]
                        continue
                    written = await self._bury(consumer, current, stop, f"cannot be handled: {fault}")
            except Fenced:
                logger.warning("fenced on %s/%d", current.lease.topic, current.lease.partition, extra=_fields(current))
                metrics.count_fenced(current.lease)
                consumer.lost(current.lease)
                return
            if not written:
                return
            consumer.moved(current)
            self.batches += 1
            self.records += len(current.records)

    async def _bury(self, consumer: Consumer, batch: Batch, stop: asyncio.Event, reason: str) -> bool:
        """Dead-letters the one record of a batch; where its key or source is what cannot be stored, without these."""
        (record,) = batch.records
        reason = record.unreadable or reason
        try:
            return await self._write(consumer, batch, stop, bury=reason)
        except _DataFault as fault:
            alone = Record(record.offset, None, record.value, "", line=record.line)
            bare = msgspec.structs.replace(batch, records=[alone])
            left_out = f"{reason}; key and source left out: {fault}"
            return await self._write(consumer, bare, stop, bury=left_out)

    async def _write(self, consumer: Consumer, batch: Batch, stop: asyncio.Event, bury: str | None = None) -> bool:
        """Tries a batch until it is written; false where the worker was told to stop first.

        Raises ``Fenced``, ``RuleSetUnusable``, ``_DataFault``, and what is of the store.
        """
        pause = _PAUSE
        while not stop.is_set():
            began = time.perf_counter()
            try:
                connection = await self._session(consumer)
                if bury is None:
                    report = await finished(self._handler.handle(connection, batch), stop, _LAST_SECONDS)
                else:
                    report = await finished(self._handler.bury(connection, batch, bury), stop, _LAST_SECONDS)
                seconds = time.perf_counter() - began
                metrics.count_batch(batch, report, seconds)
                logger.debug("batch written", extra={**_fields(batch), "seconds": round(seconds, 4)})
                return True
            except (Fenced, RuleSetUnusable):
                raise
            except Exception as error:  # the top of the batch loop: an error of the data is halved down to its record
                if is_of_the_store(error):
                    raise
                if not passes_by_itself(error):
                    raise _DataFault(type(error).__name__) from error
                logger.warning("batch tried again in %.1f s: %s", pause, type(error).__name__, extra=_fields(batch))
            metrics.count_retry(batch.lease)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return False

    async def _session(self, consumer: Consumer) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
            consumer.backend_pid = self._connection.get_server_pid()
        return self._connection


def _fields(batch: Batch) -> dict[str, object]:
    """What a line of the log says of a batch beside its text."""
    return {**msgspec.structs.asdict(batch.lease), "batch_size": len(batch.records)}


class _DataFault(Exception):
    """The batch holds something that cannot be handled; the text names the kind of error, never a value."""
