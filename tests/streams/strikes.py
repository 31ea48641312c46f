"""Strikes: a process that sends itself a signal at the n-th passage of a named point of a batch's way.

No product code knows of it: what is passed is wrapped where it is looked up.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from streams.bus import Batch
from streams.handlers.events import EventsHandler
from streams.store.events import persons
from streams.store.transport import offsets, outbox
from streams.topics import CLAIMS

Work = Callable[..., Awaitable[Any]]
Counts = Callable[[tuple[Any, ...], Any], bool]
"""Whether a call counts as a passage, by its arguments and what it returned (``None`` before it ran)."""


def _is_of_claims(arguments: tuple[Any, ...], _: Any) -> bool:
    return any(isinstance(argument, Batch) and argument.lease.topic == CLAIMS for argument in arguments)


def _took_claims(arguments: tuple[Any, ...], taken: Any) -> bool:
    return taken is not None and CLAIMS in arguments


def _has_rows(arguments: tuple[Any, ...], _: Any) -> bool:
    return len(arguments[1]) > 0


#: Name of the point -> what is wrapped, whether the signal comes before or after it, which calls count.
POINTS: dict[str, tuple[Any, str, str, Counts]] = {
    "decoded": (persons, "lock_area", "before", lambda *_: True),
    "before commit": (offsets, "step", "after", _is_of_claims),
    "after commit": (EventsHandler, "handle", "after", _is_of_claims),
    "rebalance": (offsets, "take", "after", _took_claims),
    "relay": (outbox, "delete_outbox", "after", _has_rows),
}


def arm(strike: str) -> None:
    """Wraps the point of ``POINT:PASSAGE:SIGNAL`` in this process. Raises ``LookupError`` for an unknown point."""
    point, passage, name = strike.split(":")
    owner, attribute, when, counts = POINTS[point]
    work: Work = getattr(owner, attribute)
    left = [int(passage)]

    def passed(arguments: tuple[Any, ...], result: Any) -> None:
        if counts(arguments, result):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.Signals[f"SIG{name}"])

    async def struck(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            passed(arguments, None)
        result = await work(*arguments, **named)
        if when == "after":
            passed(arguments, result)
        return result

    setattr(owner, attribute, struck)
