"""Serving over HTTP beside a service, until it is told to stop: the desk, and metrics on a port of their own.

What it imports takes as long to load as everything else together, so commands import it where they serve.
"""

import asyncio
import socket
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import uvicorn

from api.access.sessions import ensure_first_user
from api.app import create_app
from api.frame.site import Site
from api.hospital.dialect import Dialect, load_dialects
from api.hospital.following import follow_store
from api.hospital.gateway import Gateway, Keeper, Limits
from api.hospital.keys import Keys, Needed
from api.hospital.rates import Rates
from api.hospital.server import HospitalServer
from api.hospital.sessions import Sessions
from api.hospital.signing import SIGNINGS
from api.operation.metrics import create_metrics_app, metrics_router
from deploy.commands.output import Failure, note
from deploy.settings import Settings, load_pseudonym_key, load_sign_in_keys
from streams.handlers.asking import rehearse
from streams.hosts.garbage import run_collecting
from streams.hosts.metrics import count_answer, journal_watch, show_disk, show_journal
from streams.hosts.service import Service
from streams.jobs.sending_journal import run_sending_journal
from streams.jobs.spelling import spell_institutions
from streams.journal.journal import Limits as JournalLimits
from streams.journal.journal import open_journal, run_trying_disk
from streams.messages.guomi import is_private_key
from streams.messages.pseudonyms import Pseudonyms
from streams.store.casework.institutions import find_all_names
from streams.store.people.users import take_carried_over
from streams.store.sessions import Pool, borrowed, open_asking_pool


def _check_address(host: str, port: int, what: str, setting: str) -> None:
    """Says in one sentence that something cannot be served there, before anything else is said. Raises ``Failure``."""
    try:
        _probe(host, port)
    except OSError as error:
        place = f"{host}:{port}"
        raise Failure(f"不能在 {place} 提供{what}，可用 {setting} 换端口 / cannot serve on {place}: {error}") from None


def is_free(host: str, port: int) -> bool:
    """Whether something can be served there."""
    try:
        _probe(host, port)
    except OSError:
        return False
    return True


def _probe(host: str, port: int) -> None:
    """Raises ``OSError`` where nothing can be served there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


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


def machines_now() -> datetime:
    """What time it is on this machine."""
    return datetime.now(UTC)


async def gateway_of(
    settings: Settings,
    service: Service,
    pool: Pool,
    journal: Keeper,
    budget: float,
    now: Callable[[], datetime] = machines_now,
) -> Gateway:
    """A gateway by the rules in force, which asks on the sessions of a pool and answers within so many seconds.

    Without the store it judges nothing until it is told which rules are in force.
    """
    pseudonyms = Pseudonyms(load_pseudonym_key(settings))
    limits = Limits(budget=budget, receipts_for=timedelta(days=settings.gateway_receipt_days))
    gateway = Gateway(
        pool,
        service.rule_set,
        journal,
        pseudonyms,
        service.vault,
        limits,
        now,
        watch=count_answer,
        writing=service.pool,
        is_in_force=False,
    )
    if service.is_prepared.is_set():
        async with borrowed(pool) as connection:
            rule_set = await service.rule_sets.in_force(connection)
            names = await find_all_names(connection)
        gateway.judge_by(rule_set, names)
    return gateway


def keys_of(settings: Settings, service: Service, dialect: Dialect) -> Keys:
    """What requests of hospitals have to prove. Raises ``Failure`` where a setting cannot be kept to."""
    if settings.gateway_keys == "signed" and dialect.signing not in SIGNINGS:
        raise Failure(
            f"FUNDWATCH_GATEWAY_KEYS: 方言 {dialect.name} 不签名 / nothing is signed in the dialect {dialect.name}"
        )
    private_keys = load_sign_in_keys(settings)
    if not all(is_private_key(key) for key in private_keys):
        raise Failure("FUNDWATCH_SIGN_IN_KEYS: 不是SM2私钥 / no private key of SM2")
    sessions = Sessions(service.vault, private_keys, timedelta(hours=settings.gateway_session_hours))
    return Keys(cast(Needed, settings.gateway_keys), dialect, sessions, settings.gateway_window_seconds)


def journal_of(settings: Settings) -> Path:
    """The folder of the journal of a gateway on this port."""
    return settings.journals / f"gateway-{settings.gateway_port}"


async def serve_hospitals(
    settings: Settings,
    service: Service,
    dialect: Dialect,
    now: Callable[[], datetime] = machines_now,
    around: Callable[[HospitalServer], Any] = lambda server: server,
) -> None:
    """Answers hospitals until told to stop; what they say is kept in a journal and sent on beside that.

    ``now`` is what time it is; ``around`` puts an application around the server.
    """
    _check_address(settings.host, settings.gateway_port, "医院网关", "FUNDWATCH_GATEWAY_PORT")
    keys = keys_of(settings, service, dialect)
    most = JournalLimits(most_bytes=settings.journal_most_mb * 2**20)
    async with (
        open_journal(journal_of(settings), most, journal_watch()) as journal,
        open_asking_pool(service.dsn, least=None if service.is_prepared.is_set() else 0, rehearse=rehearse) as pool,
    ):
        show_journal(journal)
        gateway = await gateway_of(settings, service, pool, journal, settings.gateway_budget_ms / 1000, now)
        gateway.sessions = keys.sessions
        since = now() - timedelta(seconds=gateway.limits.kept_for)
        gateway.take_up([(of.topic, of.message) for of in await journal.kept_since(since)])
        service.add_once_prepared(lambda: run_sending_journal(journal, service.bus, service.stop))
        service.add(run_collecting(service.stop))
        service.add_once_prepared(lambda: follow_store(gateway, keys, service.rule_sets, service.stop))
        service.add(run_trying_disk(journal, service.stop))
        server = HospitalServer(
            gateway,
            dialect,
            keys,
            Rates(settings.gateway_rate),
            lambda: journal.is_keeping and gateway.is_in_force,
        )
        note(f"医院网关 / hospital gateway: http://{settings.host}:{settings.gateway_port}{dialect.addresses.path}")
        await _serve_app(around(server), settings.host, settings.gateway_port, service.stop, settings.trusted_proxies)


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
