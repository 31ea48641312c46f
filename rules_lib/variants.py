"""Variants: what happens to bills in real life, done to the history of a case that is a hit.

Each makes the events of the case anew. ``None``: it cannot happen to such a case.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from knowledge_base.findings import LineKey
from rules_lib.case_words import EventWords, LineWords

_OTHER_HOSPITAL = "H9"
_LATE = timedelta(days=180)
_STAY_BEFORE, _STAY_AFTER = timedelta(days=3), timedelta(days=2)


class Hit(NamedTuple):
    """A case that is a hit: its events with every id told, and the keys of lines in dispute and compared.

    Where nothing but claims is in dispute, ``guilty`` is empty and every claim is meant.
    """

    events: tuple[EventWords, ...]
    guilty: frozenset[LineKey]
    involved: frozenset[LineKey]
    beyond: Decimal

    def is_meant(self, event: EventWords) -> bool:
        """Whether an event is a claim in dispute, or holds lines that are."""
        if not self.guilty:
            return event.sex_on_file is None
        return any(line_key(event, line) in self.guilty for line in event.lines)


def line_key(event: EventWords, line: LineWords) -> LineKey:
    return (event.at, event.encounter or "", line.id or "")


def told(events: Sequence[EventWords]) -> tuple[EventWords, ...]:
    """Events with every id and amount told, so that others may stand beside them."""
    return tuple(
        event
        if event.sex_on_file is not None
        else event.model_copy(
            update={
                "claim": event.claim or f"c{index}",
                "encounter": event.encounter or f"v{index}",
                "visit": event.visit or ("21" if event.stay else "11"),
                "lines": tuple(_line_told(number, line) for number, line in enumerate(event.lines, 1)),
            }
        )
        for index, event in enumerate(events, 1)
    )


def _line_told(number: int, line: LineWords) -> LineWords:
    amount = line.amount or line.quantity * 10
    in_fund = line.in_fund if "in_fund" in line.model_fields_set else amount
    return line.model_copy(update={"id": line.id or f"l{number}", "amount": amount, "in_fund": in_fund})


def _times(line: LineWords, part: Decimal) -> LineWords:
    """A part of a line, or with a negative part what takes it back."""
    worth = {name: None if value is None else value * part for name, value in _worth(line).items()}
    return line.model_copy(update=worth)


def _worth(line: LineWords) -> Mapping[str, Decimal | None]:
    return {"quantity": line.quantity, "amount": line.amount, "in_fund": line.in_fund}


def _is_closed(event: EventWords) -> bool:
    """Whether it is of a stay whose days of admission and discharge are told."""
    return len(event.stay) == 2 and None not in event.stay


def _with_lines(event: EventWords, lines: Sequence[LineWords]) -> EventWords:
    return event.model_copy(update={"lines": tuple(lines)})


def _changed(hit: Hit, event: Callable[[EventWords], EventWords]) -> list[EventWords]:
    """The events, those in dispute changed."""
    return [event(of) if hit.is_meant(of) else of for of in hit.events]


def _added(hit: Hit, event: Callable[[EventWords], EventWords]) -> list[EventWords]:
    """The events, and one more for each in dispute."""
    return [*hit.events, *(event(of) for of in hit.events if hit.is_meant(of))]


def with_refund(hit: Hit) -> list[EventWords] | None:
    """What is in dispute is taken back by lines that say which line they take back."""
    return _taken_back(hit, lambda line: {"refund_of": line.id})


def with_negative_line(hit: Hit) -> list[EventWords] | None:
    """The same by lines that say nothing of that."""
    return _taken_back(hit, lambda _: {})


def _taken_back(hit: Hit, says: Callable[[LineWords], Mapping[str, str | None]]) -> list[EventWords] | None:
    def refund(event: EventWords) -> EventWords:
        lines = [
            _times(line, Decimal(-1)).model_copy(update={"id": f"r-{line.id}", **says(line)})
            for line in event.lines
            if line_key(event, line) in hit.guilty
        ]
        return _with_lines(event, lines).model_copy(update={"claim": f"r-{event.claim}", "paid": Decimal(-100)})

    return _added(hit, refund) if hit.guilty else None


def with_reversal(hit: Hit) -> list[EventWords]:
    def reversal(event: EventWords) -> EventWords:
        lines = [_times(line, Decimal(-1)).model_copy(update={"id": f"x-{line.id}"}) for line in event.lines]
        of = {"claim": f"x-{event.claim}", "reverses": event.claim, "paid": Decimal(-100)}
        return _with_lines(event, lines).model_copy(update=of)

    return _added(hit, reversal)


def with_correction(hit: Hit) -> list[EventWords] | None:
    def correction(event: EventWords) -> EventWords:
        lines = [line for line in event.lines if line_key(event, line) not in hit.guilty]
        return _with_lines(event, lines).model_copy(update={"claim": f"k-{event.claim}", "corrects": event.claim})

    return _added(hit, correction) if hit.guilty else None


def with_the_same_again(hit: Hit) -> list[EventWords]:
    return _added(hit, lambda event: event.model_copy(update={"claim": f"k-{event.claim}", "corrects": event.claim}))


def self_paid(hit: Hit) -> list[EventWords] | None:
    def own(event: EventWords) -> EventWords:
        nothing = {"in_fund": Decimal(0)}
        guilty = [line_key(event, line) in hit.guilty for line in event.lines]
        paired = zip(event.lines, guilty, strict=True)
        return _with_lines(
            event, [line.model_copy(update=nothing) if is_guilty else line for line, is_guilty in paired]
        )

    return _changed(hit, own) if hit.guilty else None


def without_fund(hit: Hit) -> list[EventWords]:
    return _changed(hit, lambda event: event.model_copy(update={"paid": Decimal(0)}))


def payment_untold(hit: Hit) -> list[EventWords]:
    return _changed(hit, lambda event: event.model_copy(update={"paid": None}))


def settled_late(hit: Hit) -> list[EventWords]:
    def late(event: EventWords) -> EventWords:
        days = [*(line.day for line in event.lines), *(day for day in event.stay if day is not None)]
        return event.model_copy(update={"settled": max(days) + _LATE}) if days else event

    return _changed(hit, late)


def settled_in_the_middle(hit: Hit) -> list[EventWords] | None:
    """Each stay is settled once in its middle, with the first half of its lines, and again at its end."""
    events: list[EventWords] = []
    for event in hit.events:
        if _is_closed(event) and not event.mid_stay:
            half = (len(event.lines) + 1) // 2
            middle = {"claim": f"m-{event.claim}", "mid_stay": True}
            events.append(_with_lines(event, event.lines[:half]).model_copy(update=middle))
            events.append(_with_lines(event, event.lines[half:]))
        else:
            events.append(event)
    return events if len(events) > len(hit.events) else None


def posted_at_discharge(hit: Hit) -> list[EventWords] | None:
    """Every line of a stay stands on its last day; where a case knows no stay, its lines in dispute are of one."""
    in_hospital = any(event.stay for event in hit.events)

    def post(event: EventWords) -> EventWords:
        if _is_closed(event):
            stay = event.stay
        elif not in_hospital and event.lines and hit.is_meant(event):
            days = [line.day for line in event.lines]
            stay = (min(days) - _STAY_BEFORE, max(days) + _STAY_AFTER)
        else:
            return event
        posted = [line.model_copy(update={"day": stay[1]}) for line in event.lines]
        return _with_lines(event, posted).model_copy(update={"stay": stay, "visit": "21"})

    posted = [post(event) for event in hit.events]
    days, before = ([line.day for event in of for line in event.lines] for of in (posted, hit.events))
    return posted if days != before else None


def on_transfer_day(hit: Hit) -> list[EventWords] | None:
    """What is in dispute was given on the day on which the patient changed hospitals, by the one that admitted."""
    guilty = [(event, line) for event in hit.events for line in event.lines if line_key(event, line) in hit.guilty]
    stays = [event for event in hit.events if _is_closed(event)]
    if not guilty:
        return None
    transfer = stays[-1].stay[1] if stays else guilty[-1][1].day
    assert transfer is not None
    elsewhere = {event.at for event in stays} | {key[0] for key in hit.involved}
    moves = not elsewhere or {event.at for event, _ in guilty} <= elsewhere
    events = [_on_transfer(hit, event, transfer, moves) for event in hit.events]
    if not moves:
        return events
    part = min(Decimal(1), hit.beyond / guilty[0][1].quantity) if len(guilty) == 1 else Decimal(1)
    admitted = EventWords(
        claim="t-c",
        encounter="t-v",
        at=_OTHER_HOSPITAL,
        visit="21",
        stay=(transfer, transfer + _STAY_AFTER),
        lines=tuple(_times(line, part).model_copy(update={"day": transfer}) for _, line in guilty),
        sex=guilty[0][0].sex,
        operations=guilty[0][0].operations,
        diagnoses=guilty[0][0].diagnoses,
    )
    return [*events, admitted]


def _on_transfer(hit: Hit, event: EventWords, transfer: date, moves: bool) -> EventWords:
    """An event whose compared lines stand on the day of transfer, and its lines in dispute, or what is left of them."""
    lines = []
    for line in event.lines:
        key = line_key(event, line)
        of_transfer = line.model_copy(update={"day": transfer})
        if key in hit.guilty and moves:
            left = 1 - hit.beyond / line.quantity if len(hit.guilty) == 1 else Decimal(0)
            lines += [_times(line, left)] if left > 0 else []
        else:
            lines.append(of_transfer if key in hit.guilty | hit.involved else line)
    return _with_lines(event, lines)


def as_it_is(hit: Hit) -> list[EventWords]:
    return list(hit.events)
