"""Commands that run Fundwatch: migrate, topics, worker, api, up."""

import os
from typing import Annotated

import typer

from deploy.commands.output import Failure, Json, Opened, note, print_json, print_table, run
from deploy.commands.publishing import publish_own
from deploy.runtime import follow_parent, keep_child, run_child, stop_on_signals
from streams.store.events import generations
from streams.store.migrations import find_migrations
from streams.store.sessions import borrowed

Bus = Annotated[str | None, typer.Option(help="总线, postgres 或 kafka / postgres or kafka")]
Brokers = Annotated[str | None, typer.Option(help="Kafka 地址, 主机:端口 / host:port of Kafka's brokers")]

BEHIND_ANSWERS = 10
"""How far a worker gives way where hospitals are answered on the same machine: a doctor waits for these."""


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(topics)
    app.command()(worker)
    app.command()(api)
    app.command()(up)


def migrate(json: Json = False) -> None:
    """把数据库升级到最新结构, 使本程序的规则生效 / bring the database to the newest structure and the rules in force.

    Example: fundwatch migrate
    """
    run(_migrate(json))


async def _migrate(json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        await publish_own(service)
        names = await find_migrations(connection)
        old = await generations.count_old(connection)
    if json:
        print_json({"migrations": names, "old_digests": old})
        return
    note(f"数据库已是最新 / the database is up to date: {names[-1]}")
    if old:
        note(
            f"{old:,} 条事件是旧代摘要；工作进程都更新后先运行 fundwatch redigest，再运行 fundwatch rejudge /"
            " digests of an earlier generation: once every worker is new, fundwatch redigest, then fundwatch rejudge"
        )


def topics(bus: Bus = None, brokers: Brokers = None, json: Json = False) -> None:
    """建立缺少的主题并列出全部 / make the topics that are missing and list all.

    Example: fundwatch topics --bus kafka --brokers localhost:9092
    """
    run(_topics(Opened(bus, brokers), json))


async def _topics(opened: Opened, json: bool) -> None:
    async with opened as service:
        states = await service.bus.topics()
    if json:
        print_json(states)
        return
    print_table(
        f"{opened.settings.bus}: 主题 / topics",
        ("主题 topic", "分区 partitions", "副本 copies", "保留天数 kept days", "末尾 ends", "设置 settings"),
        [
            (
                state.topic,
                len(state.ends),
                state.replication,
                "" if state.kept is None else f"{state.kept.total_seconds() / 86400:g}",
                " ".join(map(str, state.ends)),
                " ".join(f"{name}={value}" for name, value in state.configs.items()),
            )
            for state in states
        ],
    )


def worker(
    with_parent: Annotated[bool, typer.Option(help="父进程结束即结束 / end with the parent process")] = False,
    metrics_port: Annotated[int | None, typer.Option(help="指标端口 / port for metrics", min=1, max=65535)] = None,
    nice: Annotated[
        int,
        typer.Option(help="对同机进程让路的程度 / how far it gives way to others here", min=0, max=19),
    ] = 0,
    bus: Bus = None,
    brokers: Brokers = None,
) -> None:
    """判断到达的结算、更新线索, 直到 Ctrl-C / judge what arrives and keep the leads.

    Example: fundwatch worker --bus kafka --brokers localhost:9092
    """
    os.nice(nice)
    run(_worker(Opened(bus, brokers), with_parent, metrics_port))


async def _worker(opened: Opened, with_parent: bool, metrics_port: int | None) -> None:
    async with opened as service:
        stop_on_signals(service.stop)
        port = metrics_port or opened.settings.metrics_port
        if port is not None:
            from deploy.commands.serving import add_metrics

            add_metrics(opened.settings, service, port)
        if with_parent:
            service.add(follow_parent(service.stop))
        await service.start()
        await service.stop.wait()
    if service.failed:
        raise Failure("判断中止，见上面的日志 / the worker stopped, see the log above")


def api() -> None:
    """提供工作台和接口, 直到 Ctrl-C / serve the desk and the interface.

    Example: fundwatch api
    """
    run(_api())


async def _api() -> None:
    from deploy.commands.serving import add_metrics, announce, serve

    opened = Opened()
    async with opened as service:
        stop_on_signals(service.stop)
        await announce(opened.settings, service)
        if opened.settings.metrics_port is not None:
            add_metrics(opened.settings, service, opened.settings.metrics_port)
        await serve(opened.settings, service)


def up(bus: Bus = None, brokers: Brokers = None) -> None:
    """数据库、总线、判断、工作台一起运行, 直到 Ctrl-C / run database, bus, worker and desk together.

    Example: fundwatch up --bus kafka
    """
    run(_up(Opened(bus, brokers)))


async def _up(opened: Opened) -> None:
    from deploy.commands.serving import announce, serve

    async with opened as service:
        stop_on_signals(service.stop)
        await publish_own(service)
        judging = ("worker", "--with-parent", "--nice", str(BEHIND_ANSWERS))
        service.add(keep_child(lambda: run_child(opened.settings, service.dsn, *judging), service.stop))
        service.add(
            keep_child(lambda: run_child(opened.settings, service.dsn, "gateway", "--with-parent"), service.stop)
        )
        await announce(opened.settings, service)
        await serve(opened.settings, service)
    if service.failed:
        raise Failure(
            "判断进程或网关意外结束，已全部停下 / the worker or the gateway ended unexpectedly; everything was stopped"
        )
