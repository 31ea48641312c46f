"""Garbage of a process that answers: collected beside the answers, with what was there before left alone."""

import asyncio
import gc
import weakref

from streams.hosts.garbage import run_collecting
from tests.patience import PATIENCE


class Ring:
    """What only the collector takes away."""

    def __init__(self) -> None:
        self.itself = self


async def test_garbage_is_collected_every_second_and_what_was_there_is_not_walked() -> None:
    there, stop = Ring(), asyncio.Event()
    task = asyncio.create_task(run_collecting(stop))
    await asyncio.sleep(0)
    assert not gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert all(of is not there for of in gc.get_objects())
    gone = asyncio.Event()
    weakref.finalize(Ring(), gone.set)
    await asyncio.wait_for(gone.wait(), PATIENCE)
    stop.set()
    await task
    assert gc.isenabled()
    gc.unfreeze()
