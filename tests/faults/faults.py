"""The faults: what happens to a running cluster. Each gives the seconds until work went on, once for each stroke."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

import psutil

from .cluster import Cluster, WorkerProcess
from .servers import fill_up

Seconds = list[float | None]
"""One entry a stroke; ``None`` where the stroke affected no partition with claims to read."""

Happen = Callable[[Cluster], Awaitable[Seconds]]

RATE = 700
"""Claims a second that are sent while workers are struck, so that every partition has work all the time."""

POSTGRES = "postgres"
KAFKA = "kafka"


@dataclass(frozen=True)
class Fault:
    """One kind of fault: how the table names it, and on which buses it makes sense."""

    name: str
    text: str
    happen: Happen
    buses: tuple[str, ...] = (POSTGRES, KAFKA)


def struck(point: str, passage: int, times: int, rate: int = RATE) -> Happen:
    """One worker survives; a second one kills itself at a point, and is started again, so many times."""

    async def happen(cluster: Cluster) -> Seconds:
        seconds: Seconds = []
        await cluster.start()
        async with cluster.fed(rate):
            await cluster.until_read(0.02)
            for _ in range(times):
                doomed = await cluster.start(f"{point}:{passage}:KILL")
                await cluster.until_struck(doomed)
                seconds.append(await (await _watch(cluster, doomed)))
            await cluster.start()
        assert None not in seconds, "it held nothing"
        return seconds

    return happen


def struck_in_relay(passage: int, times: int, rate: int = RATE) -> Happen:
    """As ``struck``, but measured by the outbox: until what waited when the process died was sent by another."""

    async def happen(cluster: Cluster) -> Seconds:
        seconds: Seconds = []
        await cluster.start()
        async with cluster.fed(rate):
            await cluster.until_read(0.02)
            for _ in range(times):
                doomed = await cluster.start(f"relay:{passage}:KILL")
                await cluster.until_struck(doomed)
                struck_at = time.monotonic()
                await cluster.until_sent_on(await cluster.newest_waiting())
                seconds.append(time.monotonic() - struck_at)
            await cluster.start()
        return seconds

    return happen


async def _watch(cluster: Cluster, dead: WorkerProcess) -> "asyncio.Task[float | None]":
    """Measures from now until work goes on where a dead or stopped process held it."""
    struck_at, before, held = time.monotonic(), await cluster.positions(), await cluster.held_by(dead)
    return asyncio.create_task(cluster.until_work_goes_on(held, before, struck_at))


def zombie(point: str, passage: int, rate: int = RATE) -> Happen:
    """A worker stops in the middle of its batch for longer than its session, and wakes when others hold its work."""

    async def happen(cluster: Cluster) -> Seconds:
        await cluster.start()
        async with cluster.fed(rate):
            await cluster.until_read(0.02)
            sleeper = await cluster.start(f"{point}:{passage}:STOP")
            await cluster.until_struck(sleeper)
            seconds = await (await _watch(cluster, sleeper))
            assert seconds is not None, "it held nothing"
            await asyncio.sleep(max(0.0, 1.5 * cluster.ground.session - seconds))
            assert sleeper.is_stopped
            sleeper.signal(signal.SIGCONT)
            await cluster.until_holding(sleeper)
        return [seconds]

    return happen


def killed_at_random(times: int) -> Happen:
    """Two workers under full load; so many times one that holds partitions is killed and started again at once."""

    async def happen(cluster: Cluster) -> Seconds:
        chance = Random(11)
        watching: list[asyncio.Task[float | None]] = []
        await cluster.send_all()
        await asyncio.gather(cluster.start(), cluster.start())
        for number in range(times):
            await cluster.until_read((number + chance.random()) / (times + 1))
            await asyncio.sleep(chance.uniform(0, 0.1))
            alive = [worker for worker in cluster.workers if worker.is_alive]
            holding = [worker for worker in alive if await cluster.held_by(worker)]
            victim = chance.choice(holding or alive)
            await cluster.kill(victim)
            watching.append(await _watch(cluster, victim))
            await cluster.start()
        seconds = [await watch for watch in watching]
        assert any(seconds), "no kill fell into the work"
        return seconds

    return happen


def postgres_killed() -> Happen:
    """SIGKILL for every process of the server under full load; it is started again at once, and has to recover."""

    async def happen(cluster: Cluster) -> Seconds:
        await cluster.send_all()
        await asyncio.gather(cluster.start(), cluster.start())
        await cluster.until_read(0.3)
        struck_at = time.monotonic()
        await asyncio.to_thread(cluster.server.kill)
        await asyncio.to_thread(cluster.server.start)
        before = await cluster.positions()
        return [await cluster.until_work_goes_on(list(before), before, struck_at)]

    return happen


def postgres_away(seconds: float) -> Happen:
    """The server is stopped under full load for some seconds; measured from its return."""

    async def happen(cluster: Cluster) -> Seconds:
        await cluster.send_all()
        await asyncio.gather(cluster.start(), cluster.start())
        await cluster.until_read(0.3)
        await asyncio.to_thread(cluster.server.stop)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(cluster.server.start)
        back_at, before = time.monotonic(), await cluster.positions()
        return [await cluster.until_work_goes_on(list(before), before, back_at)]

    return happen


def broker_killed() -> Happen:
    """SIGKILL for the only broker under full load; it is started again at once, on the same data."""

    async def happen(cluster: Cluster) -> Seconds:
        broker = cluster.ground.broker
        assert broker is not None
        await cluster.send_all()
        await asyncio.gather(cluster.start(), cluster.start())
        await cluster.until_read(0.3)
        struck_at = time.monotonic()
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.restart)
        before = await cluster.positions()
        return [await cluster.until_work_goes_on(list(before), before, struck_at)]

    return happen


async def log_disk_full(cluster: Cluster) -> Seconds:
    """The log's own small file system fills up: senders are refused until there is room again; measured from then."""
    disk = cluster.ground.disk
    assert disk is not None
    cluster.move_log_to(disk)
    await asyncio.gather(cluster.start(), cluster.start())
    async with cluster.fed(RATE):
        await cluster.until_read(0.2)
        filler = fill_up(disk)
        await cluster.until_refused()
        await asyncio.sleep(2)
        filler.unlink()
        before, room_at = await cluster.positions(), time.monotonic()
        seconds = await cluster.until_work_goes_on(list(before), before, room_at)
    return [seconds]


async def broker_disk_full(cluster: Cluster) -> Seconds:
    """The broker's small file system fills up, of which Kafka dies; it is started again once there is room."""
    disk, broker = cluster.ground.disk, cluster.ground.broker
    assert disk is not None
    assert broker is not None
    assert broker.pid is not None
    await cluster.send_all()
    await asyncio.gather(cluster.start(), cluster.start())
    await cluster.until_read(0.2)
    filler = fill_up(disk)
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [psutil.Process(broker.pid)], timeout=60)
    assert gone, "the broker lives with a full disk"
    await asyncio.to_thread(broker.kill)
    filler.unlink()
    room_at = time.monotonic()
    await asyncio.to_thread(broker.restart)
    before = await cluster.positions()
    return [await cluster.until_work_goes_on(list(before), before, room_at)]


FAULTS = [
    Fault("decoded", "SIGKILL, 解码之后 / after decoding", struck("decoded", 3, 2)),
    Fault("before commit", "SIGKILL, 提交之前 / before the commit", struck("before commit", 3, 2)),
    Fault(
        "after commit",
        "SIGKILL, 提交之后、总线位移之前 / after the commit, before the bus knows",
        struck("after commit", 3, 2),
    ),
    Fault("rebalance", "SIGKILL, 重新分配分区之中 / in the middle of a rebalance", struck("rebalance", 1, 2)),
    Fault("relay", "SIGKILL, 转发待发箱之中 / while the outbox is relayed", struck_in_relay(2, 3)),
    Fault("random", "SIGKILL, 随机时刻 / at random moments", killed_at_random(20)),
    Fault(
        "zombie", "SIGSTOP 至会话过期，再 SIGCONT / stopped beyond its session, then woken", zombie("before commit", 3)
    ),
    Fault("broker killed", "Kafka SIGKILL 并重启 / killed and restarted", broker_killed(), (KAFKA,)),
    Fault("postgres killed", "PostgreSQL SIGKILL 并重启 / killed and restarted", postgres_killed()),
    Fault("postgres away", "PostgreSQL 离开 60 秒 / away for 60 s", postgres_away(60)),
]

#: On a small file system of its own.
LOG_DISK_FULL = Fault(
    "disk full", "日志磁盘写满，再腾空 / the log's disk full, then room again", log_disk_full, (POSTGRES,)
)
BROKER_DISK_FULL = Fault(
    "disk full",
    "Kafka 磁盘写满（进程退出），腾空后重启 / its disk full: it dies, restarted with room",
    broker_disk_full,
    (KAFKA,),
)
