"""Garbage: collected between batches alone, never in the middle of one."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_YOUNG, _WHOLE = 1, 2
_WHOLE_EVERY = 60.0  # seconds


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
