"""Nothing holds the desk's loop for half a second, whatever is asked: measured in processor time of its thread."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from urllib.parse import urlencode

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import iter_route_contexts

from api.access.routes import DEEPEST, Route
from api.operation.letters import PATH, REPLAYS
from streams.buses.postgres import PostgresBus
from streams.topics import CLAIMS
from tests.api.story import VAULT

LONGEST = 0.5
"""Seconds of processor time between two moments at which the loop can do something else."""
LONGEST_ADDRESS = 60_000
"""Bytes; the server takes 64 KB of an address and headers together."""
LARGEST_MESSAGE = 16 * 2**20


class Held:
    """The longest that the loop was held, in seconds."""

    seconds = 0.0


@contextmanager
def measured() -> Iterator[Held]:
    """Measures each step of everything that runs on the loop."""
    held, run = Held(), asyncio.events.Handle._run

    def run_measured(handle: asyncio.events.Handle) -> None:
        began = time.thread_time()
        run(handle)
        held.seconds = max(held.seconds, time.thread_time() - began)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio.events.Handle, "_run", run_measured)
        yield held


async def test_what_holds_the_loop_is_noticed() -> None:
    async def count() -> None:
        ends = time.thread_time() + LONGEST
        while time.thread_time() < ends:
            pass

    with measured() as held:
        await asyncio.create_task(count())
    assert held.seconds >= LONGEST


# --- every route


def _routes(app: FastAPI) -> list[tuple[str, str, list[str], int]]:
    """Method and path of every route, what its address may say, and how many bytes of a body it takes."""
    contexts = list(iter_route_contexts(app.routes))
    return [
        (method, str(of.path), _said_of(of.route), of.route.most)
        for of in contexts
        if isinstance(of.route, Route)
        for method in sorted(of.methods or ())
    ]


def _said_of(route: Route) -> list[str]:
    return [field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)]


def _queries(names: list[str]) -> Iterator[str]:
    """The longest addresses: many unknown names, one name very often, and long values of what is known."""
    yield "&".join(f"n{number}=1" for number in range(LONGEST_ADDRESS // 8))
    yield "lang=zh&" * (LONGEST_ADDRESS // 8)
    for name in names:
        yield f"{name}=" + "%F0%A0%AE%B7" * (LONGEST_ADDRESS // 12)


def _bodies(most: int, csrf: str) -> Iterator[tuple[str, bytes]]:
    """The heaviest bodies of so many bytes, with their kinds."""
    form, words = "application/x-www-form-urlencoded", "application/json"
    ours = urlencode({"csrf": csrf}).encode()
    for name in (b"reason", b"purpose", b"login", b"kept"):
        said = ours + b"&" + name + b"="
        yield form, said + b"%41" * ((most - len(said)) // 3)
    yield form, ours + b"&a=1" * ((most - len(ours)) // 4)
    yield form, b"=" * most
    yield words, b"[" * most
    yield words, json.dumps({f"{number:06}": 1 for number in range(most // 14)}).encode()[:most]
    deep = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    yield words, ("[" + ",".join([deep] * (most // (2 * DEEPEST))) + "]").encode()[:most]
    yield words, b'{"reason":"' + b"\\ud83d\\ude00" * ((most - 13) // 12) + b'"}'


async def _filled(client: httpx.AsyncClient, path: str) -> str:
    """A path with the lead that has most findings, one of these, and a letter."""
    leads = (await client.get("/api/leads", params={"state": "all"})).json()["leads"]
    lead = max(leads, key=lambda of: of["findings"])["lead_id"]
    detail = (await client.get(f"/api/leads/{lead}")).json()
    parts = {"lead_id": lead, "finding_id": detail["findings"][0]["finding_id"], "decision_id": "1", "number": "1"}
    for name, value in {**parts, "topic": CLAIMS, "partition": "0", "offset": "0"}.items():
        path = path.replace(f"{{{name}}}", value)
    return path


@pytest.mark.usefixtures("versions")
async def test_no_route_holds_the_loop(app: FastAPI, client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await _bury(pool, 1, LARGEST_MESSAGE)
    too_long, csrf = {}, client.headers["X-CSRF-Token"]
    for method, path, said, most in _routes(app):
        if path.endswith("/sign-out"):
            continue
        there = await _filled(client, path)
        asked: list[dict[str, Any]] = [{}]
        if method == "POST":
            asked += [{"content": body, "headers": {"Content-Type": kind}} for kind, body in _bodies(most, csrf)]
        asked += [{"params": query} for query in _queries(said)]
        for words in asked:
            with measured() as held:
                answer = await client.request(method, there, **words)
            assert answer.status_code < 500, (method, path)
            if held.seconds > LONGEST:
                too_long[method, path, str(words)[:60]] = held.seconds
    assert not too_long


# --- what the store holds


async def _bury(pool: asyncpg.Pool, count: int, size: int) -> None:
    """Dead letters whose bytes nothing packs."""
    random = Random(7)
    await pool.executemany(
        'insert into dead_letters (topic, partition, "offset", outcome, source, reasons, body)'
        " values ($1, 0, $2, 'dead', 's', $3, $4)",
        [(CLAIMS, number, json.dumps(["b"] * 1000), VAULT.seal(random.randbytes(size))) for number in range(count)],
    )


@pytest.mark.parametrize(("count", "size"), [(1, LARGEST_MESSAGE), (4, LARGEST_MESSAGE), (300, 2**19)])
async def test_large_letters_are_shown_and_replayed_in_small_steps(
    client: httpx.AsyncClient, pool: asyncpg.Pool, count: int, size: int
) -> None:
    await PostgresBus(pool).create_topic(CLAIMS, 1)
    await _bury(pool, count, size)
    with measured() as held:
        await client.get(PATH)
        csrf = {"csrf": client.headers["X-CSRF-Token"]}
        shown = await client.post(f"{PATH}/{CLAIMS}/0/0/bytes", data={"purpose": "to look at it"} | csrf)
        assert shown.status_code == 200
        begun = await client.post(REPLAYS, data=csrf)
        replay = begun.headers["location"].rpartition("/")[2]
        while await pool.fetchval("select finished_at is null from replays where replay = $1", int(replay)):
            assert (await client.post(f"{REPLAYS}/{replay}", data=csrf)).status_code == 303
    assert await pool.fetchval("select sent from replays") == count
    assert held.seconds < LONGEST
