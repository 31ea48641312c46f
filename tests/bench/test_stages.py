"""The clocks of the stages fit the code, and count each stage."""

import time
from itertools import count

import pytest

from bench.stages import STAGES, clocks
from streams.store.transport import log


def test_every_stage_is_a_function_of_the_path_and_is_counted() -> None:
    with clocks() as spent:
        for functions in STAGES.values():
            for module, name in functions:
                work = getattr(module, name)
                assert work.__name__ == "work", f"{module.__name__}.{name} has no clock"
                try:
                    work()
                except TypeError:
                    continue
    assert spent.keys() == STAGES.keys()
    for functions in STAGES.values():
        for module, name in functions:
            assert getattr(module, name).__name__ == name, "a clock was left behind"


def test_what_the_clock_takes_itself_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(time, "process_time", lambda: next(ticks))
    monkeypatch.setattr(log, "_record", lambda *_: [next(ticks) for _ in range(5)])
    with clocks() as spent:
        log._record()  # type: ignore[call-arg]
    assert spent == {"unpack the log's values": 5}
