"""Serving over HTTP beside a service, until it is told to stop: the desk, and metrics on a port of their own.

What it imports takes as long to load as everything else together, so commands import it where they serve.
"""

import asyncio
import socket
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

from api.access.sessions import ensure_first_user
from api.app import create_app
from api.frame.site import Site
from api.hospital.dialect import Dialect, load_dialects
from api.hospital.following import follow_store
from api.hospital.gateway import Gateway, Keeper, Limits
from api.hospital.keys import Keys
from api.hospital.rates import Rates
from api.hospital.server import HospitalServer
from api.operation.metrics import create_metrics_app, metrics_router
from deploy.commands.output import Failure, note
from deploy.settings import Settings, load_pseudonym_key
from streams.hosts.metrics import count_answer, journal_watch, show_disk, show_journal
from streams.hosts.service import Service
from streams.jobs.sending_journal import run_sending_journal
from streams.jobs.spelling import spell_institutions
from streams.journal.journal import Limits as JournalLimits
from streams.journal.journal import open_journal, run_trying_disk
from streams.messages.pseudonyms import Pseudonyms
from streams.store.casework.institutions import find_all_names
from streams.store.people.users import take_carried_over
from streams.store.sessions import borrowed


def _check_address(host: str, port: int, what: str, setting: str) -> None:
    """Says in one sentence that something cannot be served there, before anything else is said. Raises ``Failure``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            place = f"{host}:{port}"
            raise Failure(
                f"不能在 {place} 提供{what}，可用 {setting} 换端口 / cannot serve on {place}: {error}"
            ) from None


def add_metrics(settings: Settings, service: Service, port: int) -> None:
    """Serves this process's metrics on a port of their own. Raises ``Failure`` if it is in use."""
    _check_address(settings.host, port, "指标", "FUNDWATCH_METRICS_PORT")
    show_disk(settings.home)
    service.watch()
    app = create_metrics_app(service.pool, service.rule_sets, settings.metrics_token)
    service.add(_serve_app(app, settings.host, port, service.stop))


async def announce(settings: Settings, service: Service, *, password_given: bool = True) -> None:
    """Says where the desk is, and, at the very first start, the log-in with its password: once, and never in a log.

    Whoever signs in with it chooses another, unless it is for one's own eyes (``password_given``).
    """
    _check_address(settings.host, settings.port, "工作台", "FUNDWATCH_PORT")
    async with borrowed(service.pool) as connection:
        first = await ensure_first_user(connection, password_given=password_given)
        carried_over = await take_carried_over(connection)
    address = settings.public_url or f"http://{settings.host}:{settings.port}"
    note(f"工作台 / desk: {address}/")
    if first is not None:
        note(f"首个账号（只显示这一次） / first log-in (shown once): {first[0]}  {first[1]}")
    for login in carried_over:
        note(
            f"原有用户名 {login} 现为拥有全部权限的账号，用 fundwatch people roles 调整"
            f" / the log-in {login} is now an account with all rights; `fundwatch people roles` changes them"
        )


async def serve(settings: Settings, service: Service) -> None:
    """Serves the desk until told to stop, and its metrics to those who know the token, where one is set."""
    async with borrowed(service.pool) as connection:
        await spell_institutions(connection)
    site = Site(settings.public_url, settings.port)
    app = create_app(service.pool, service.rule_set, service.bus, service.vault, site=site)
    if settings.metrics_token is not None:
        app.include_router(metrics_router(settings.metrics_token))
        service.watch()
    await _serve_app(app, settings.host, settings.port, service.stop, settings.trusted_proxies)


def find_dialect(settings: Settings, infno: str | None = None) -> Dialect:
    """The dialect that is set. Raises ``Failure`` where there is none of that name, or it has no such message."""
    dialects = load_dialects()
    if settings.dialect not in dialects:
        raise Failure(
            f"FUNDWATCH_DIALECT: 没有方言 {settings.dialect}，现有 / no such dialect, there are: {', '.join(dialects)}"
        )
    dialect = dialects[settings.dialect]
    if infno is not None and infno not in dialect.messages:
        raise Failure(f"没有这个交易，现有 / no such message, there are: {', '.join(sorted(dialect.messages))}")
    return dialect


async def gateway_of(settings: Settings, service: Service, journal: Keeper, budget: float) -> Gateway:
    """A gateway by the rules in force, which answers within so many seconds."""
    pseudonyms = Pseudonyms(load_pseudonym_key(settings))
    async with borrowed(service.pool) as connection:
        rule_set = await service.rule_sets.in_force(connection)
        names = await find_all_names(connection)
    limits = Limits(budget=budget)
    gateway = Gateway(service.pool, rule_set, journal, pseudonyms, service.vault, limits, watch=count_answer)
    gateway.judge_by(rule_set, names)
    return gateway


async def serve_hospitals(settings: Settings, service: Service, dialect: Dialect) -> None:
    """Answers hospitals until told to stop; what they say is kept in a journal and sent on beside that."""
    _check_address(settings.host, settings.gateway_port, "医院网关", "FUNDWATCH_GATEWAY_PORT")
    folder = settings.journals / f"gateway-{settings.gateway_port}"
    most = JournalLimits(most_bytes=settings.journal_most_mb * 2**20)
    async with open_journal(folder, most, journal_watch()) as journal:
        show_journal(journal)
        gateway = await gateway_of(settings, service, journal, settings.gateway_budget_ms / 1000)
        since = datetime.now(UTC) - timedelta(seconds=gateway.limits.kept_for)
        gateway.take_up([(of.topic, of.message) for of in await journal.kept_since(since)])
        service.add(run_sending_journal(journal, service.bus, service.stop))
        keys = Keys(settings.gateway_keys == "needed")
        service.add(follow_store(gateway, keys, service.rule_sets, service.stop))
        service.add(run_trying_disk(journal, service.stop))
        server = HospitalServer(gateway, dialect, keys, Rates(settings.gateway_rate), lambda: journal.is_keeping)
        note(f"医院网关 / hospital gateway: http://{settings.host}:{settings.gateway_port}{dialect.addresses.path}")
        await _serve_app(server, settings.host, settings.gateway_port, service.stop)


async def _serve_app(app: Any, host: str, port: int, stop: asyncio.Event, proxies: Collection[str] = ()) -> None:
    """Serves an application until told to stop; where serving ends by itself the others are told to stop too.

    ``proxies`` may say in ``X-Forwarded-*`` for whom they speak.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stop.set()
    await serving
    stopping.cancel()


class _Server(uvicorn.Server):
    """A server that leaves signals to the command that runs it."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()
