"""Sending: questions become messages with numbers; what a ward's system collects goes out as one message."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal, cast

from deploy.county.clock import instant
from deploy.county.orders.asking import Question
from deploy.county.orders.traffic import Asking
from knowledge_base.events.head import Event

MOST_TOGETHER = 20
"""Encounters of one message."""

_CHINA = timedelta(hours=8)


def messages(sent: Iterable[Event | Question]) -> Iterator[Event | Asking]:
    """What is sent, in its order: events as they are, questions in numbered messages."""
    numbers: dict[str, tuple[int, int]] = {}
    for _, group in groupby(sent, _message_of):
        first, *more = group
        if not isinstance(first, Question):
            yield first
            continue
        together = [first, *(cast(Question, question) for question in more)]
        for begin in range(0, len(together), MOST_TOGETHER):
            yield _asking(together[begin : begin + MOST_TOGETHER], numbers)


def _message_of(sent: Event | Question) -> object:
    """Equal for what goes into one message, and for nothing else."""
    if isinstance(sent, Question) and sent.together:
        return sent.place.code, sent.infno, sent.minute
    return object()


def _asking(questions: Sequence[Question], numbers: dict[str, tuple[int, int]]) -> Asking:
    first = questions[0]
    minute, number = numbers.get(first.place.code, (0, 0))
    number = number + 1 if minute == first.minute else 1
    numbers[first.place.code] = first.minute, number
    sent_at = instant(first.minute)
    return Asking(
        sent_at=sent_at,
        infno=cast(Literal["3101", "3102"], first.infno),
        msgid=f"{first.place.code}{_stamp(sent_at)}{number:04d}",
        institution=first.place.code,
        level=first.place.level,
        encounters=tuple(question.encounter for question in questions),
    )


def _stamp(when: datetime) -> str:
    """An instant as it stands in a msgid, in China."""
    return f"{when + _CHINA:%Y%m%d%H%M%S}"
