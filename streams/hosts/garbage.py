"""Garbage: collected between batches, or every second beside answers, and what is there for good is left alone."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_YOUNG, _WHOLE = 1, 2
_WHOLE_EVERY = 60.0  # seconds
_BESIDE_EVERY = 1.0  # seconds


@contextmanager
def collector_kept_off() -> Iterator[Callable[[], None]]:
    """Gives what collects, to be called between batches and while there are none.

    Rules, facts and code, which are there already and stay for good, are never walked.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    whole_at = time.monotonic()

    def collect() -> None:
        nonlocal whole_at
        if time.monotonic() - whole_at < _WHOLE_EVERY:
            gc.collect(_YOUNG)
        else:
            gc.collect(_WHOLE)
            whole_at = time.monotonic()

    try:
        yield collect
    finally:
        gc.enable()


async def run_collecting(stop: asyncio.Event) -> None:
    """Collects every second until told to stop, for a process that answers.

    Left to itself the collector walks the rules and facts over and over, as answers come and go, in their middle.
    """
    with collector_kept_off() as collect:
        while not stop.is_set():
            collect()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _BESIDE_EVERY)
