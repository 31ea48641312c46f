"""Statements on whole databases of a server, over one connection that stays open."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import asyncpg

T = TypeVar("T")


class Administration:
    """The connection lives in a thread of its own, with a loop there: who asks may have one that runs."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._runner = asyncio.Runner()
        self._connection = self._wait(asyncpg.connect(self._dsn))
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._connection.close())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def run(self, sql: str) -> None:
        """Runs one statement to its end. Raises ``asyncpg.PostgresError``."""
        self._wait(self._connection.execute(sql))

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._runner.run, coroutine).result()
