"""What happens to a gateway under load: each fault strikes once what was asked is answered, and ends with all well."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from deploy.embedded.kafka import EmbeddedKafka

from .hospitals import SEND_AGAIN, Hospital, Sent
from .servers import PostgresServer, fill_up
from .site import Site

Happen = Callable[[Site, list[Hospital]], Awaitable[None]]

STORE_AWAY, OUT_OF_TIME = "数据库不可用 / store away", "超过时限 / out of time"


@dataclass(frozen=True)
class GatewayFault:
    """One kind of fault, and how the table names it."""

    name: str
    text: str
    happen: Happen


def store_away(server: PostgresServer, seconds: float) -> Happen:
    """PostgreSQL is stopped for some seconds: whatever is asked meanwhile is answered, and says what was not asked."""

    async def happen(site: Site, hospitals: list[Hospital]) -> None:
        before = len(_book(hospitals))
        await asyncio.to_thread(server.stop)
        await site.until_settled(hospitals, 10)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(server.start)
        await _until_judged(site, hospitals)
        assert {reason for of in _book(hospitals)[before:] for reason in of.not_asked} & {STORE_AWAY, OUT_OF_TIME}

    return happen


def broker_away(broker: EmbeddedKafka, seconds: float) -> Happen:
    """The broker dies and is away for some seconds: nobody who asks notices."""

    async def happen(site: Site, hospitals: list[Hospital]) -> None:
        await asyncio.to_thread(broker.kill)
        await site.until_settled(hospitals, 10)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(broker.restart)
        await site.until_settled(hospitals, 10)

    return happen


def killed(times: int) -> Happen:
    """The gateway is killed so many times in the middle of its work, and started again on the same journal."""

    async def happen(site: Site, hospitals: list[Hospital]) -> None:
        chance = Random(7)
        for _ in range(times):
            await site.until_settled(hospitals, 5)
            await asyncio.sleep(chance.uniform(0, 0.05))
            await site.kill_gateway()
        await site.until_settled(hospitals, 5)
        assert any(of.broken for of in _book(hospitals)), "no kill fell into a call"

    return happen


def disk_full(disk: Path) -> Happen:
    """The journal's disk fills up: what comes is refused, to be sent again, and the gateway is not ready meanwhile."""

    async def happen(site: Site, hospitals: list[Hospital]) -> None:
        assert not site.seen.ready[503]
        filler = fill_up(disk)
        await site.until(lambda: all(_is_put_off(hospital.book[-1]) for hospital in hospitals), "nobody is put off")
        await site.until(lambda: site.seen.ready[503] > 0, "it says that it is ready with a full disk")
        filler.unlink()
        await site.until_settled(hospitals, 10)
        before = site.seen.ready[200]
        await site.until(lambda: site.seen.ready[200] > before, "it is not ready again")

    return happen


async def _until_judged(site: Site, hospitals: list[Hospital]) -> None:
    """Waits until each hospital is told again what the rules say."""

    def is_judged(hospital: Hospital, since: int) -> bool:
        later = [of for of in hospital.book[since:] if of.is_taken and of.infno in ("3101", "3102")]
        return any(not of.not_asked for of in later)

    begun = [len(hospital.book) for hospital in hospitals]
    await site.until(lambda: all(map(is_judged, hospitals, begun)), "nothing is judged again")


def _is_put_off(sent: Sent) -> bool:
    return bool(sent.answers) and SEND_AGAIN in sent.last["err_msg"]


def _book(hospitals: list[Hospital]) -> list[Sent]:
    return [sent for hospital in hospitals for sent in hospital.book]
