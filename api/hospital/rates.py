"""Rates: how many messages a sender may send in a second, so that one who runs wild stands in nobody's way."""

from collections import OrderedDict

MOST_SENDERS = 10_000
"""Senders that are remembered; who has been silent longest is forgotten, and begins anew."""

BURST = 2.0
"""Seconds of its rate that a sender may send at once."""


class Rates:
    """Counts each sender apart (a token bucket): ``per_second`` messages, and ``BURST`` times as many at once."""

    def __init__(self, per_second: float):
        self._per_second = per_second
        self._most = per_second * BURST
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str, now: float) -> bool:
        """Whether a sender may send one more at an instant, in seconds of any clock that never goes back."""
        left, since = self._left.pop(sender, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        self._left[sender] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > MOST_SENDERS:
            self._left.popitem(last=False)
        return left >= 1
