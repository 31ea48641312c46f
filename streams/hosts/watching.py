"""Watching: reads the store every few seconds, once for a process and not once for every reader, for metrics.

What is read says the same in every process that watches one store, so alerts take the greatest of them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.bus import Bus, Lag
from streams.hosts.metrics import REGISTRY
from streams.jobs.reconciling import event_places
from streams.store.intake.senders import Silence, find_silence
from streams.store.operation.condition import Condition, Unsettled, find_condition, find_unsettled
from streams.store.sessions import Pool, borrowed

logger = logging.getLogger("fundwatch.watching")

EVERY = 5.0
"""Seconds between two readings."""
_LONGEST = 4.0
"""Seconds that a reading may take."""
_ACCOUNT_EVERY = 60.0
_LONGEST_ACCOUNT = 45.0
"""The same two of the account, which reads the whole ledger: it has a session of its own, and holds nothing else up."""

_PLACE = ("group", "topic", "partition")

_OF_CONDITION = {
    "outbox": ("outbox_messages", "Messages that wait to be sent on."),
    "outbox_oldest_seconds": ("outbox_oldest_seconds", "How long the oldest of them waits."),
    "touched": ("touched_subjects", "Subjects wider than a patient that wait to be judged."),
    "touched_oldest_seconds": ("touched_subjects_oldest_seconds", "How long the oldest of them waits."),
    "orders": ("touched_orders", "Patients and institutions whose ledger of orders is to be written anew."),
    "orders_oldest_seconds": ("touched_orders_oldest_seconds", "How long the oldest of them waits."),
    "segments": ("log_segments", "Segments that the log in PostgreSQL keeps."),
    "oldest_segment_seconds": ("log_oldest_segment_seconds", "How long ago the oldest of them was opened."),
    "outstanding": ("outstanding_areas", "Areas that a switch of rules left to be judged again."),
    "unreadable": ("unreadable_batches", "Batches of the bus that could not be read so far."),
    "standing": ("unreadable_standing", "Those of them before which a group stands now."),
    "outstanding_oldest_seconds": ("outstanding_oldest_seconds", "How long ago the oldest of them was marked."),
}
"""Field of ``Condition`` to the metric that shows it, and its help."""


class StoreCollector(Collector):
    """What was last read of the store. Where that failed nothing is said but that: nobody knows it then."""

    def __init__(self) -> None:
        self.condition: Condition | None = None
        self.account: Unsettled | None = None
        self.silence: Silence | None = None
        self.lags: Sequence[Lag] = ()
        self.read_at = datetime.now(UTC)

    def collect(self) -> Iterator[Metric]:
        is_read = self.condition is not None
        yield _gauge("store_up", "Whether the last reading of the store succeeded, 1 or 0.", value=is_read)
        if self.condition is not None:
            yield from self._of_partitions(self.condition)
            yield from self._of_condition(self.condition)
        if is_read and self.account is not None:
            yield from self._of_account(self.account)
        if is_read and self.silence is not None:
            yield from self._of_silence(self.silence)

    def _of_partitions(self, condition: Condition) -> Iterator[Metric]:
        lag = _gauge("lag_records", "Records that a group has still to read.", _PLACE)
        oldest = _gauge("lag_oldest_seconds", "How long the oldest of them waits, where the bus tells.", _PLACE)
        read_on = _gauge("next_offset", "Where a group reads on; it grows as the group works.", _PLACE)
        owned = _gauge("partition_owned", "Whether a living worker holds the partition, 1 or 0.", _PLACE)
        for at in self.lags:
            place = (at.group, at.topic, str(at.partition))
            lag.add_metric(place, at.behind)
            read_on.add_metric(place, at.next)
            if at.waiting_since is not None:
                oldest.add_metric(place, max(0.0, (self.read_at - at.waiting_since).total_seconds()))
            owned.add_metric(place, at.owner is not None)
        taken = CounterMetricFamily(
            "fundwatch_leases_taken", "How often the partition was taken by a worker so far.", labels=_PLACE
        )
        for lease in condition.leases:
            taken.add_metric((lease.group, lease.topic, str(lease.partition)), lease.epoch)
        yield from (lag, oldest, read_on, owned, taken)

    def _of_condition(self, condition: Condition) -> Iterator[Metric]:
        for field, (name, says) in _OF_CONDITION.items():
            yield _gauge(name, says, value=getattr(condition, field))
        in_force = _gauge("rule_set_info", "The rule set in force; always 1.", ("hash",))
        if condition.rule_set is not None:
            in_force.add_metric((condition.rule_set[:12],), 1)
        yield in_force

    def _of_account(self, account: Unsettled) -> Iterator[Metric]:
        letters = _gauge("dead_letters", "Dead letters that nobody replayed, by outcome.", ("outcome",))
        for outcome, count in account.letters.items():
            letters.add_metric((outcome,), count)
        yield letters
        says = "Messages consumed without an outcome, or the reverse."
        yield _gauge("unaccounted_messages", says, value=account.unaccounted)

    def _of_silence(self, silence: Silence) -> Iterator[Metric]:
        senders = _gauge("senders", "Institutions with a kind of message, by how they stand.", ("kind", "state"))
        for of in silence.counts:
            senders.add_metric((of.kind, of.state), of.senders)
        yield senders
        if silence.judged_seconds is not None:
            says = "How long ago it was known who is silent."
            yield _gauge("silence_judged_seconds", says, value=silence.judged_seconds)


STORE = StoreCollector()
REGISTRY.register(STORE)


def _gauge(name: str, says: str, labels: Sequence[str] | None = None, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fundwatch_{name}", says, value, labels)


async def read_store(pool: Pool, bus: Bus) -> None:
    """Reads the store once. Where it cannot be read the metrics say so, and the error is raised."""
    try:
        async with asyncio.timeout(_LONGEST):
            async with borrowed(pool) as connection:
                condition = await find_condition(connection)
            lags = await bus.lags()
    except BaseException:
        STORE.condition = None
        raise
    STORE.condition, STORE.lags, STORE.read_at = condition, lags, datetime.now(UTC)


async def read_account(pool: Pool) -> None:
    """Reads the account, and who is silent, once. Where that fails nothing is said of it, and the error is raised."""
    try:
        async with asyncio.timeout(_LONGEST_ACCOUNT), borrowed(pool) as connection:
            account = await find_unsettled(connection, event_places())
            silence = await find_silence(connection, datetime.now(UTC))
    except BaseException:
        STORE.account = STORE.silence = None
        raise
    STORE.account, STORE.silence = account, silence


async def watch_store(pool: Pool, bus: Bus, stop: asyncio.Event) -> None:
    """Reads the store until told to stop. Whatever fails here is said, and stops nothing of what is watched."""
    readings = [
        asyncio.create_task(_repeat(lambda: read_store(pool, bus), EVERY)),
        asyncio.create_task(_repeat(lambda: read_account(pool), _ACCOUNT_EVERY)),
    ]
    try:
        await stop.wait()
    finally:
        for reading in readings:
            reading.cancel()
        await asyncio.wait(readings, timeout=_LONGEST)


async def _repeat(read: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        try:
            await read()
        except Exception as error:  # noqa: BLE001 - the top of this loop
            logger.warning("the store cannot be read for metrics: %s", type(error).__name__)
        await asyncio.sleep(seconds)
