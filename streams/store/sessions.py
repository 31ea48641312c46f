"""Database sessions: connections, pools, and which errors pass by themselves. The rest of the code knows no driver."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

T = TypeVar("T")

Connection = asyncpg.Connection
Pool = asyncpg.Pool
Rehearse = Callable[[Connection], Awaitable[None]]
"""What a new session asks before anybody has it."""

_TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.InternalClientError,
)

_IDLE_IN_BATCH = timedelta(seconds=60)
"""A worker that says nothing for so long in the middle of a batch stands still, and the database ends its session."""


_LONGEST_REACHING = 10.0
_UNTIL_GIVEN_BACK = 10.0
"""Seconds for which a pool that is closed waits for sessions that are lent."""

LEAST_OPEN = 2
"""Sessions that a pool opens at once."""

MOST_ASKING = 8
"""Sessions that ask for one process."""

_ALONE = {"max_parallel_workers_per_gather": "0"}
"""Many ask at once: a statement that takes the other cores too makes all others wait."""


def passes_by_itself(error: BaseException) -> bool:
    """Whether an error is of the database or the way to it, never of the data: what failed is to be tried again.

    The driver says "closed" of a session or pool that is gone, and "released" of a session that was lost while it was
    lent, with the same type as of a wrong argument.
    """
    gone = isinstance(error, asyncpg.InterfaceError) and any(word in str(error) for word in ("clos", "released"))
    return gone or isinstance(error, _TRANSIENT)


def is_of_the_store(error: BaseException) -> bool:
    """Whether an error says that the store is not what this program expects: no data and no waiting mends that."""
    return isinstance(error, asyncpg.SyntaxOrAccessError)


def is_no_text(error: BaseException) -> bool:
    """Whether a text could not be sent because it holds bytes that are no UTF-8, or a NUL: no text, that is."""
    return isinstance(error, asyncpg.CharacterNotInRepertoireError) or (
        isinstance(error, asyncpg.DataError) and isinstance(error.__cause__, UnicodeEncodeError)
    )


@contextmanager
def passing_errors(logger: logging.Logger, work: str) -> Iterator[None]:
    """Lets errors that pass by themselves pass, with a warning that names their kind; others are raised."""
    try:
        yield
    except Exception as error:
        if not passes_by_itself(error):
            raise
        logger.warning("%s tried again: %s", work, type(error).__name__)


async def through_deadlocks(work: Callable[[], Awaitable[T]]) -> T:
    """What a transaction gives, done again where it and another kept each other waiting and the database ended it."""
    while True:
        try:
            return await work()
        except asyncpg.DeadlockDetectedError:
            logging.getLogger(__name__).info("a transaction is done again: another one waited for it, and it for that")


class Unreachable(Exception):
    """The database cannot be used from here: the text says where it was looked for and what to try, and no password."""

    @property
    def is_passing(self) -> bool:
        """Whether it may be there in a while without anybody mending anything: it is away, and does not refuse."""
        return self.__cause__ is not None and passes_by_itself(self.__cause__)


async def reach(dsn: str) -> None:
    """Opens a session and ends it. Raises ``Unreachable``."""
    try:
        connection = await asyncpg.connect(dsn, timeout=_LONGEST_REACHING)
    except (OSError, TimeoutError, ValueError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
        raise Unreachable(f"{_place_of(dsn)}: {_remedy_for(error)}") from error
    await connection.close(timeout=2)


def _place_of(dsn: str) -> str:
    """Host and port of an address, or the folder of its socket."""
    try:
        parts = urlsplit(dsn)
        host = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", ["localhost"])[0]
    except ValueError:
        return "?"
    if "@" in parts.path + parts.query + parts.fragment:  # a sign in the password that ends the part before it
        return "?"
    return host if ":" in host or host.startswith("/") else f"{host}:5432"


def _remedy_for(error: Exception) -> str:
    """What is wrong with the way to a database, and what to try."""
    for kinds, says in _REMEDIES:
        if isinstance(error, kinds):
            return says
    return f"无法使用 / cannot be used ({type(error).__name__})"


_REMEDIES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (socket.gaierror, "主机名无法解析，检查拼写 / the host's name is not known, check how it is written"),
    (FileNotFoundError, "这里没有服务器的套接字，检查目录 / no server has its socket here, check the folder"),
    (TimeoutError, "10 秒内没有应答，检查网络和防火墙 / no answer in 10 s, check network and firewall"),
    (ssl.SSLError, "TLS 未能建立，检查 sslmode 和证书 / no TLS, check sslmode and certificates"),
    (OSError, "没有服务器应答，检查它是否运行、端口是否正确 / no server answers, check that it runs, and the port"),
    (
        (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError),
        "用户或口令被拒绝，检查地址中的用户、口令和 pg_hba.conf / user or password refused, check both and pg_hba.conf",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "没有这个数据库，先用 createdb 建立 / there is no such database, make it with createdb",
    ),
    (asyncpg.TooManyConnectionsError, "连接数已满 / it has no connection left"),
    (asyncpg.CannotConnectNowError, "正在启动或停止，稍后再试 / it is starting or ending, try again later"),
    ((ValueError, asyncpg.ClientConfigurationError), "地址无法读懂 / the address cannot be read"),
)


async def connect(dsn: str) -> Connection:
    """One session of its own, which does not keep its locks when its process stands still.

    It asks the same few statements again and again, patient by patient: a plan made for all is as good as one for each
    call, and planning took longer than reading.
    """
    milliseconds = round(_IDLE_IN_BATCH.total_seconds() * 1000)
    settings = {
        "idle_in_transaction_session_timeout": str(milliseconds),
        "plan_cache_mode": "force_generic_plan",
    }
    return await asyncpg.connect(dsn, server_settings=settings)


@asynccontextmanager
async def open_pool(dsn: str, most: int = 12, least: int = LEAST_OPEN) -> AsyncIterator[Pool]:
    """A pool of sessions, closed at the end of the ``async with``; what is not given back by then is broken off.

    With ``least`` 0 nothing is asked of the database before somebody borrows: it may be away.
    """
    async with _closed_in_time(
        await asyncpg.create_pool(dsn, min_size=least, max_size=most, server_settings=_ALONE)
    ) as pool:
        yield pool


@asynccontextmanager
async def open_asking_pool(
    dsn: str, most: int = MOST_ASKING, least: int | None = None, rehearse: Rehearse | None = None
) -> AsyncIterator[Pool]:
    """A pool of few sessions for answers that somebody waits for: they ask the same statements, and can write nothing.

    All are open from the start, and each asks in ``rehearse`` what it will be asked, so that nobody waits until the
    database has planned it. One plan serves for all calls, as in ``connect``, and what a session was lent for leaves
    nothing behind but an open transaction, which is ended: so nothing else is reset between loans. Who comes while all
    are lent waits until one is given back, in no order, instead of making everybody slower. With ``least`` fewer are
    opened at once, as in ``open_pool``.
    """
    settings = _ALONE | {"plan_cache_mode": "force_generic_plan", "default_transaction_read_only": "on"}
    begin = cast(Any, rehearse)  # of the proxy that stands for a connection
    pool = await asyncpg.create_pool(
        dsn,
        min_size=most if least is None else least,
        max_size=most,
        server_settings=settings,
        init=begin,
        reset=_as_it_is,
    )
    async with _closed_in_time(pool):
        yield pool


async def _as_it_is(_session: object) -> None:
    """Nothing is to be reset."""


@asynccontextmanager
async def _closed_in_time(pool: Pool) -> AsyncIterator[Pool]:
    try:
        yield pool
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), _UNTIL_GIVEN_BACK)


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of a pool, typed as the connection for which the driver's proxy stands."""
    async with pool.acquire() as connection:
        yield cast(Connection, connection)


@asynccontextmanager
async def borrowed_in_time(pool: Pool) -> AsyncIterator[Connection]:
    """The same for whoever may be told to stop in the middle of it, as an answer whose time is over.

    A statement that is broken off is waited for, which a database that stands still never ends: then it is given back
    beside, and broken off where that takes too long.
    """
    connection = await pool.acquire()
    try:
        yield cast(Connection, connection)
    except BaseException:
        _keep(asyncio.ensure_future(_give_back(pool, connection)))
        raise
    await pool.release(connection, timeout=_UNTIL_GIVEN_BACK)


async def _give_back(pool: Pool, connection: PoolConnectionProxy) -> None:
    with suppress(Exception):
        await pool.release(connection, timeout=_UNTIL_GIVEN_BACK)


_giving_back: set["asyncio.Future[None]"] = set()


def _keep(task: "asyncio.Future[None]") -> None:
    """Holds on to a task until it is done: the loop itself does not."""
    _giving_back.add(task)
    task.add_done_callback(_giving_back.discard)
