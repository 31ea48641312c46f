"""What takes long to work out, kept for whoever asks for the same again."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 1000
"""Answers that are kept; the one that nobody asked for the longest goes first."""


class WorkedOut:
    """Answers by all that they follow from: another key is another answer, so none is ever out of date."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()

    async def get(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The answer of a key, worked out where it is not kept."""
        if key not in self._answers:
            self._answers[key] = await work()
            if len(self._answers) > MOST:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        answer: T = self._answers[key]
        return answer
