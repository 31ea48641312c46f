"""The command ``doctor``: examines an installation, changes nothing, and says what to do."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from deploy.commands.examination.bus import examine_broker, examine_groups
from deploy.commands.examination.database import MIGRATE, examine_database
from deploy.commands.examination.journals import examine_journals
from deploy.commands.examination.machine import (
    examine_disk,
    examine_key,
    examine_ports,
    examine_programs,
    examine_rules,
    examine_settings,
)
from deploy.commands.examination.signs import Sign, State
from deploy.commands.output import Failure, Json, console, print_json, run
from deploy.embedded.postgres import find_running, start_postgres
from deploy.embedded.postgres_programs import EmbeddedError
from deploy.runtime import choose_bus
from deploy.settings import PREFIX, Settings
from knowledge_base.signs import neutral
from rules_lib.rule_set import RuleSet
from streams.buses.postgres import PostgresBus
from streams.store.sessions import Pool, Unreachable, borrowed, open_pool, reach

PATIENCE = 15.0
"""Seconds for all answers of the database, and again for those of the bus."""

_WORDS = {State.OK: "正常 ok", State.WARNING: "注意 warning", State.FAULT: "故障 fault"}
_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAULT: "red"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    start: Annotated[bool, typer.Option("--start", help="启动内置数据库再检查 / start the embedded database")] = False,
    json: Json = False,
) -> None:
    """检查设置、数据库、总线、时钟、磁盘等, 并说明怎么办 / examine this installation and say what to do.

    Example: fundwatch doctor
    """
    found = run(_examine(start))
    if json:
        print_json(found)
    else:
        _print(found)
    faults = sum(sign.state is State.FAULT for sign in found)
    if faults:
        raise Failure(f"{faults} 处故障 / faults: {faults}")


async def _examine(start: bool) -> list[Sign]:
    settings, found = examine_settings(os.environ)
    found += [examine_disk(settings), examine_key(settings)]
    rules, own = examine_rules(settings)
    found += [*examine_ports(settings), *examine_programs(settings), rules]
    found += examine_journals(settings.journals, datetime.now(UTC))
    if settings.database_url is None and os.environ.get(f"{PREFIX}DATABASE_URL"):
        return found  # it is faulty, and another database than the one that is meant says nothing of it
    with _database(settings, start) as dsn:
        found += [dsn] if isinstance(dsn, Sign) else await _examine_store(dsn, settings, own)
    return found


@contextmanager
def _database(settings: Settings, start: bool) -> Iterator[str | Sign]:
    """The database's address, or why there is none. Nothing is started that nobody asked for."""
    about = "数据库 / database"
    if settings.database_url is not None:
        yield settings.database_url
    elif running := find_running(settings.postgres_folder):
        yield running
    elif start:
        try:
            server = start_postgres(settings.postgres_folder)
        except EmbeddedError as error:
            yield Sign(about, State.FAULT, str(error), f"{settings.postgres_folder}/server.log")
            return
        with server:
            yield server.dsn
    else:
        remedy = "fundwatch doctor --start, fundwatch up"
        yield Sign(about, State.WARNING, "内置数据库未运行，未检查 / embedded, does not run, not examined", remedy)


async def _examine_store(dsn: str, settings: Settings, own: RuleSet | None) -> list[Sign]:
    """What database and bus say. Where one does not answer that is said, and what was heard before stays."""
    found: list[Sign] = []
    async with AsyncExitStack() as ending:
        with _said(found, "数据库 / database"):
            async with asyncio.timeout(PATIENCE):
                await reach(dsn)
                pool = await ending.enter_async_context(open_pool(dsn, 2))
                async with borrowed(pool) as connection:
                    found.append(Sign("数据库 / database", State.OK, "已连接 / reached"))
                    async for sign in examine_database(connection, settings, own):
                        found.append(sign)
            if any(sign.state is State.FAULT and sign.remedy == MIGRATE for sign in found):
                return found
            with _said(found, "总线 / bus"):
                async with asyncio.timeout(PATIENCE):
                    found += await _examine_bus(pool, settings)
    return found


async def _examine_bus(pool: Pool, settings: Settings) -> list[Sign]:
    """Which broker it is, and how far groups are behind, as the bus says it."""
    if settings.bus == "postgres":
        return list(examine_groups(await PostgresBus(pool).lags()))
    if settings.brokers is None:
        says = "内置 Kafka，未检查 / embedded Kafka, not examined"
        return [Sign("总线 / bus", State.WARNING, says, "FUNDWATCH_BROKERS")]
    await _reach_one(settings.brokers)
    from streams.buses.kafka import KafkaBus

    make_bus, _ = choose_bus(settings)
    bus = make_bus(pool)
    assert isinstance(bus, KafkaBus)
    try:
        return [examine_broker(await bus.version()), *examine_groups(await bus.lags())]
    finally:
        await bus.close()


async def _reach_one(brokers: str) -> None:
    """Opens a connection to one of the brokers, which tells at once where Kafka's own client would try for long."""
    failure: Exception = ConnectionError(brokers)
    for broker in brokers.split(","):
        host, _, port = broker.strip().rpartition(":")
        try:
            async with asyncio.timeout(3):
                _, writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            failure = error
        else:
            writer.close()
            return
    raise failure


@contextmanager
def _said(found: list[Sign], about: str) -> Iterator[None]:
    """Turns whatever stands in the way of an examination into a sign."""
    try:
        yield
    except Unreachable as error:
        found.append(Sign(about, State.FAULT, str(error), f"{PREFIX}DATABASE_URL"))
    except Exception as error:  # noqa: BLE001 - whatever the other side answers is a sign
        remedy = "检查地址、口令、网络，是否在运行 / check address, password and network, and whether it runs"
        found.append(Sign(about, State.FAULT, f"无法使用 / cannot be used: {type(error).__name__}", remedy))


def _print(found: list[Sign]) -> None:
    table = Table(title="检查 / doctor", title_justify="left")
    for heading in ("", "项目 about", "情况 says", "怎么办 what to do"):
        table.add_column(heading, overflow="fold")
    for sign in found:
        state = Text(_WORDS[sign.state], _COLOURS[sign.state])
        table.add_row(state, *(Text(neutral(words)) for words in (sign.about, sign.says, sign.remedy)))
    console.print(table)
