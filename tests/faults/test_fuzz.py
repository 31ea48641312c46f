"""Whatever comes to the gateway over a socket is answered in form, costs no memory, and is kept where it is refused.

100,000 requests by ``make faults``, 2,000 by ``make test``; the process is that of ``fundwatch gateway``.
"""

import asyncio
import hashlib
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.store.sessions import connect
from tests.patience import PATIENCE

from .grounds import PostgresGround
from .hospitals import SEND_AGAIN, Broken, Line, asking, body_of, in_form, read_answer
from .mutations import ODD_REQUESTS, OVERSIZE, attempts, broken_requests
from .servers import PostgresServer
from .site import VAULT, Site
from .test_gateway import opened

CALLERS = 8
WARM = 0.25
"""The part of the requests after which memory is looked at first: by then all code is loaded, and every kind of request
was answered many times."""

MOST_GROWN, MOST_REMEMBERED = 64 * 2**20, 8 * 2**10
"""Bytes that memory may grow by from then to the end, and for each request that was taken in meanwhile.

What was answered in ten minutes is remembered with its request, some 6 kB. Of the rest nothing may stay: the longest
bodies, four at once, take 25 MB for a moment. So of 2,000 requests a leak of 45 kB
each is seen, of 100,000 one of 1 kB."""

UNREAD = ("报文过长", "报文未在时限内到达")
"""What is said of messages that were not read to their end, and are kept nowhere."""

FAILED = "内部错误"


@dataclass
class Told:
    """What was answered: receipts of requests taken in, fingerprints of what was refused, and how often what."""

    receipts: set[str] = field(default_factory=set)
    refused: Counter[bytes] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, body: bytes, answer: dict[str, Any]) -> None:
        assert FAILED not in json.dumps(answer, ensure_ascii=False), (kind, body[:500])
        assert SEND_AGAIN not in answer["err_msg"], kind
        if answer["infcode"] == 0:
            self.receipts |= {answer["output"]["receipt"]["code"]} if "receipt" in answer["output"] else set()
            self.counts[f"{kind}: taken in"] += 1
        elif any(says in answer["err_msg"] for says in UNREAD):
            self.counts[f"{kind}: not read"] += 1
        else:
            self.refused[_print_of(body)] += 1
            self.counts[f"{kind}: refused"] += 1

    @property
    def taken_in(self) -> int:
        return sum(times for says, times in self.counts.items() if says.endswith("taken in"))


def _print_of(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


async def mutated(site: Site, seed: int, count: int, told: Told) -> None:
    """One caller: each request over the same connection, and over a new one where the server closed it meanwhile, as it
    does after some seconds without a request."""
    line = Line(site.port)
    for attempt in attempts(seed, count):
        try:
            status, body = await line.call("POST", f"/{attempt.infno}", attempt.body)
        except Broken:
            told.counts["closed meanwhile"] += 1
            status, body = await line.call("POST", f"/{attempt.infno}", attempt.body)
        told.note(attempt.kind, attempt.body, in_form(status, body))
    await line.close()


async def broken_off(site: Site, chance: Random) -> Counter[str]:
    """Requests that are none: each is answered that it is wrong, or its connection closed."""
    said: Counter[str] = Counter()
    for kind, request in broken_requests(chance):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(request)
        with suppress(OSError):
            await writer.drain()
            writer.write_eof()
        answer = b""
        with suppress(OSError):
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        status = int(answer.split()[1]) if answer else 0
        assert status < 500, (kind, answer[:300])
        assert status != 200 or any(says in answer.decode() for says in UNREAD), (kind, answer[:300])
        said[f"{kind}: {status}"] += 1
    return said


async def odd_addresses(site: Site) -> None:
    """Methods and addresses that no message has: told so, in form."""
    for method, path in ODD_REQUESTS:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        answer = b""
        if method != "HEAD":
            status, answer, _ = await asyncio.wait_for(read_answer(reader), PATIENCE)
        else:
            status = int((await reader.readuntil(b"\r\n")).split()[1])
        writer.close()
        is_health = path == "/health/live"
        assert status in ((200,) if is_health else (400, 404, 405)), (method, path, status, answer)
        if answer.startswith(b"{") and not path.startswith("/health"):
            assert json.loads(answer)["infcode"] == -1


async def pipelined(site: Site, told: Told) -> None:
    """Requests one behind the other before any is answered: answered in their order."""
    bodies = [
        body_of(asking("3101", f"L-{number}", "H42028100099", datetime.now(UTC), f"L-{number}")) for number in range(5)
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    for body in bodies:
        writer.write(b"POST /3101 HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    for number, body in enumerate(bodies):
        status, said, _ = await asyncio.wait_for(read_answer(reader), PATIENCE)
        answer = in_form(status, said)
        assert [of["mdtrt_id"] for of in answer["output"]["result"]] == [f"V-L-{number}"]
        told.note("pipelined", body, answer)
    writer.close()


async def slow(site: Site, told: Told, is_ended: bool) -> None:
    """A body that comes drop by drop, in the end all of it, or never."""
    body = body_of(asking("3101", f"S-{is_ended}", "H42028100098", datetime.now(UTC), "S"))
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"POST /3101 HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % len(body))
    for at in range(0, len(body) // 2, 200):
        writer.write(body[at : at + 200])
        await writer.drain()
        await asyncio.sleep(0.02)
    if is_ended:
        writer.write(body[(len(body) // 2 + 199) // 200 * 200 :])
    status, said, _ = await asyncio.wait_for(read_answer(reader), PATIENCE)
    answer = in_form(status, said)
    told.note("slow", body, answer)
    assert (answer["infcode"] == 0) == is_ended, answer
    writer.close()


async def too_long_in_chunks(site: Site, told: Told) -> None:
    """A body without a length that does not end: refused once it is too long, whatever of it is still to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"POST /3101 HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n")
    with suppress(OSError):
        for _ in range(OVERSIZE // 50_000 + 2):
            writer.write(b"%x\r\n" % 50_000 + b" " * 50_000 + b"\r\n")
            await writer.drain()
    with suppress(OSError, asyncio.IncompleteReadError):
        status, said, _ = await asyncio.wait_for(read_answer(reader), PATIENCE)
        told.note("too long in chunks", b"", in_form(status, said))
    writer.close()


async def fuzzed(site: Site, count: int) -> tuple[Told, int]:
    """So many requests by some callers at once, and beside them what comes in no order; with what memory grew by beyond
    what is remembered."""
    told, each = Told(), count // CALLERS
    slowly = asyncio.gather(slow(site, told, is_ended=True), slow(site, told, is_ended=False))
    await asyncio.gather(*(mutated(site, seed, round(each * WARM), told) for seed in range(CALLERS)))
    await asyncio.gather(odd_addresses(site), broken_off(site, Random(1)), too_long_in_chunks(site, told))
    before, taken = site.memory, told.taken_in
    rest = each - round(each * WARM)
    await asyncio.gather(*(mutated(site, CALLERS + seed, rest, told) for seed in range(CALLERS)))
    for number in range(max(1, count // 2_000)):
        await asyncio.gather(odd_addresses(site), broken_off(site, Random(number)), too_long_in_chunks(site, told))
    await pipelined(site, told)
    await slowly
    assert await site.health("live") == 200
    return told, site.memory - before - MOST_REMEMBERED * (told.taken_in - taken)


async def assert_kept(site: Site, told: Told) -> None:
    """What was taken in is in the store under its receipt, and what was refused is a dead letter with its bytes."""
    connection = await connect(site.dsn)
    try:
        codes = {row["code"] for row in await connection.fetch("select distinct code from prescriptions")}
        letters = await connection.fetch("select outcome, source, reasons, body from dead_letters")
    finally:
        await connection.close()
    others = [(row["outcome"], row["reasons"]) for row in letters if row["outcome"] != "dead"]
    assert others == []
    kept = Counter(_print_of(VAULT.open(row["body"])) for row in letters)
    extra = kept - told.refused
    beyond = [VAULT.open(row["body"])[:200] for row in letters if _print_of(VAULT.open(row["body"])) in extra]
    assert (beyond, told.refused - kept) == ([], Counter())
    assert codes == told.receipts


async def holds(server: PostgresServer, folder: Path, count: int, name: str) -> None:
    ground = PostgresGround(timedelta(seconds=6))
    async with opened(server, ground, folder / "journals", folder, name, {"GATEWAY_BUDGET_MS": "10000"}) as site:
        # What a gateway no longer remembers of so many, the store tells it.
        (told, grown), _ = await asyncio.gather(fuzzed(site, count), site.start_worker())
        await site.until_taken_in()
        await site.stop()
        await assert_kept(site, told)
    print(f"\n{count:,} requests, grown by {grown / 2**20:.1f} MiB: {sorted(told.counts.items())}")
    assert grown < MOST_GROWN
    assert min(told.taken_in, told.refused.total()) > count // 10
    assert all(told.counts[f"{kind}: refused"] for kind in ("nested deep", "cut off", "name twice", "encoding"))


async def test_whatever_comes_is_answered_in_form(faults_server: PostgresServer, tmp_path: Path) -> None:
    await holds(faults_server, tmp_path, 2_000, "fuzz small")


@pytest.mark.faults
async def test_a_hundred_thousand_are_answered_in_form(faults_server: PostgresServer, tmp_path: Path) -> None:
    await holds(faults_server, tmp_path, 100_000, "fuzz")
