"""Wrong passwords slow their sender and lock nobody out.

A sender is an address (of IPv6 its network of 64 bits), or a browser in which this log-in was signed in before. The
first tries of a quarter of an hour wait for nothing, each later one longer than the one before, until its password is
looked at; who waits holds neither thread nor connection to the store. A log-in that many try waits a little whoever
tries, but not in a browser that knows it. So whoever knows the password gets in.

It is kept in this process, for ``MOST_SENDERS`` at most; the oldest are forgotten first. Errors: ``Throttled``.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

from fastapi import Request

REMEMBERED = 900.0  # seconds
FREE_TRIES = 3
LONGEST_WAIT = 16.0  # seconds for one try after the one before
MOST_AHEAD = 40.0  # seconds: a sender whose tries already fill them is to come again
MOST_WAITING = 500
MOST_SENDERS = 10_000
MOST_TRIES = 20  # of one sender or log-in that are remembered
BUSY_TRIES = 15  # of one log-in, by whomever, from which on it waits
BUSY_WAIT = 2.0  # seconds


class Throttled(Exception):
    """A sender has so many tries waiting that it is to come again, in so many ``seconds``."""

    def __init__(self, seconds: float):
        super().__init__(seconds)
        self.seconds = seconds


@dataclass
class _Tries:
    """When a sender tried which log-in, or a log-in was tried by which sender (as hashes, which take less room).

    ``free_at`` is when a sender's next try may be looked at.
    """

    made: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MOST_TRIES))
    free_at: float = 0.0

    def since(self, then: float) -> int:
        return sum(at > then for at, _ in self.made)

    def forget(self, other: str) -> None:
        kept = [made for made in self.made if made[1] != hash(other)]
        self.made.clear()
        self.made.extend(kept)


class Slowing:
    """Who tried what lately, by a clock that counts seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ):
        self._clock = clock
        self._sleep = sleep
        self._senders: OrderedDict[str, _Tries] = OrderedDict()
        self._logins: OrderedDict[str, _Tries] = OrderedDict()
        self.waiting = 0

    async def wait(self, sender: str, login: str, known: bool) -> None:
        """Returns once a try may be looked at. ``known`` is a browser that knows the log-in. Raises ``Throttled``."""
        now = self._clock()
        tries, busy = _of(self._senders, sender), _of(self._logins, login)
        ahead = max(0.0, tries.free_at - now)
        if ahead > MOST_AHEAD or (ahead and self.waiting >= MOST_WAITING and not known):
            raise Throttled(ahead)
        tries.made.append((now, hash(login)))
        tries.free_at = now + ahead + _wait_after(tries.since(now - REMEMBERED))
        is_busy = busy.since(now - REMEMBERED) >= BUSY_TRIES and not known
        busy.made.append((now, hash(sender)))
        if seconds := max(ahead, BUSY_WAIT if is_busy else 0.0):
            self.waiting += 1
            try:
                await self._sleep(seconds)
            finally:
                self.waiting -= 1

    def forgive(self, sender: str, login: str) -> None:
        """Forgets what a sender tried at a log-in whose password it knew in the end.

        What it tried at other log-ins goes on to slow it.
        """
        tries = _of(self._senders, sender)
        tries.forget(login)
        if not tries.made:
            tries.free_at = self._clock()
        _of(self._logins, login).forget(sender)


def sender_of(request: Request) -> str:
    """The address of whoever sent a request; of an address of IPv6 its network, which is one customer's."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ip_network((int(address), 64), strict=False))
    return str(address)


def _wait_after(tries: int) -> float:
    return 0.0 if tries < FREE_TRIES else min(2.0 ** (tries - FREE_TRIES), LONGEST_WAIT)


def _of(known: OrderedDict[str, _Tries], name: str) -> _Tries:
    """The tries of one name, which is then the newest; where there are too many names the oldest goes."""
    tries = known.setdefault(name, _Tries())
    known.move_to_end(name)
    if len(known) > MOST_SENDERS:
        known.popitem(last=False)
    return tries
