"""Work in a thread that nobody waits for at the end: what it does may hang."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """The answer of a function that runs in a thread of its own; a process ends without waiting for it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits the answer
            _hand_over(loop, answer, answer.set_exception, error)
        else:
            _hand_over(loop, answer, answer.set_result, result)

    threading.Thread(target=run, daemon=True).start()
    return await answer


def _hand_over(
    loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Any]", say: Callable[[Any], None], what: Any
) -> None:
    """Says it where it is still awaited; the loop may be closed by now."""

    def say_it() -> None:
        if not answer.done():
            say(what)

    if not loop.is_closed():
        loop.call_soon_threadsafe(say_it)
