"""Endings: how long work may still take once this process is told to stop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


async def finished(work: Coroutine[Any, Any, Answer], stop: asyncio.Event, seconds: float) -> Answer:
    """Runs work to its end; told to stop it has so many seconds more, and is then abandoned with ``TimeoutError``."""
    task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    return await asyncio.wait_for(task, seconds)
