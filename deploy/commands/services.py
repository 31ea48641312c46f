"""Commands that run Fundwatch: migrate, worker, api, up."""

import asyncio
import logging
import socket
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer
import uvicorn

from api.app import create_app
from api.auth import ensure_first_user
from deploy.commands.output import Failure, Json, Opened, notes, print_json, run
from deploy.runtime import end_child, follow_parent, run_child, stop_on_signals, watch_child
from deploy.settings import Settings
from streams.service import Service
from streams.store.migrations import find_migrations
from streams.store.sessions import borrowed


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(worker)
    app.command()(api)
    app.command()(up)


def migrate(json: Json = False) -> None:
    """把数据库升级到最新结构 / bring the database to the newest structure.

    Example: fundwatch migrate
    """
    run(_migrate(json))


async def _migrate(json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        names = await find_migrations(connection)
    if json:
        print_json({"migrations": names})
    else:
        notes.print(f"数据库已是最新 / the database is up to date: {names[-1]}")


def worker(
    with_parent: Annotated[bool, typer.Option(help="父进程结束即结束 / end with the parent process")] = False,
) -> None:
    """判断到达的结算、更新线索, 直到 Ctrl-C / judge what arrives and keep the leads.

    Example: fundwatch worker
    """
    logging.basicConfig(level=logging.WARNING)
    run(_worker(with_parent))


async def _worker(with_parent: bool) -> None:
    async with Opened() as service:
        stop_on_signals(service.stop)
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
    opened = Opened()
    async with opened as service:
        stop_on_signals(service.stop)
        await announce(opened.settings, service)
        await serve(opened.settings, service)


def up() -> None:
    """数据库、判断、工作台一起运行, 直到 Ctrl-C / run database, worker and desk together.

    Example: fundwatch up
    """
    run(_up())


async def _up() -> None:
    opened = Opened()
    async with opened as service:
        stop_on_signals(service.stop)
        child = run_child(opened.settings, service.dsn, "worker", "--with-parent")
        service.add(watch_child(child, service.stop))
        try:
            await announce(opened.settings, service)
            await serve(opened.settings, service)
        finally:
            service.stop.set()
            await asyncio.to_thread(end_child, child)
    if service.failed:
        raise Failure("判断进程意外结束，已全部停下 / the worker ended unexpectedly; everything was stopped")


async def announce(settings: Settings, service: Service) -> None:
    """Says where the desk is, and, at the very first start, the log-in with its password: once, and never in a log."""
    _check_address(settings)
    async with borrowed(service.pool) as connection:
        first = await ensure_first_user(connection)
    notes.print(f"工作台 / desk: http://{settings.host}:{settings.port}/", highlight=False)
    if first is not None:
        notes.print(f"首个账号（只显示这一次） / first log-in (shown once): {first[0]}  {first[1]}", highlight=False)


def _check_address(settings: Settings) -> None:
    """Says in one sentence that the desk cannot be served there, before anything else is said."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            raise Failure(
                f"不能在 {place} 提供工作台，可用 FUNDWATCH_PORT 换端口 / cannot serve on {place}: {error}"
            ) from None


async def serve(settings: Settings, service: Service) -> None:
    """Serves the desk until told to stop."""
    config = uvicorn.Config(
        create_app(service.pool, service.rule_set),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(service.stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    service.stop.set()
    await serving
    stopping.cancel()


class _Server(uvicorn.Server):
    """A server that leaves signals to the command that runs it."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()
