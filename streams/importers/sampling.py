"""Sampling: what a source is, and how much of it could not be stored, found out before any of it is sent."""

from collections import Counter
from collections.abc import Iterator

from streams.importers import ForeignInput, ImporterError, MostlyDead
from streams.importers.jsonl import MessageReader, RawLine
from streams.importers.recognising import SAMPLE, inside, recognise
from streams.messages.codec import decode_event
from streams.messages.faults import Undecodable
from streams.messages.parts import part_fault, part_key

LOOKED = 1_000
"""Of how many messages the dead are counted. In a shorter source each has its own outcome, whatever that is."""
_MOST_BYTES = 64 * 2**20
_REASONS = 3


def looked_at(source: str, reader: MessageReader, most_dead: float) -> Iterator[RawLine]:
    """The messages of a source, once the first ones are found to be meant as events, and most of them to be some.

    Raises ``ForeignInput``, or ``MostlyDead`` where of the first ``LOOKED`` more than a share would be dead, before the
    first one; and what reading raises, behind what came before.
    """
    first: list[RawLine] = []
    size, error = 0, None
    try:
        while len(first) < LOOKED and size < _MOST_BYTES and (line := next(reader, None)) is not None:
            first.append(line)
            size += len(line.raw)
    except ImporterError as raised:
        error = raised
    foreign = recognise(b"\n".join(line.raw for line in first)[:SAMPLE])
    if foreign is not None:
        raise ForeignInput(source, inside(reader.packing, foreign) if reader.packing else foreign)
    if len(first) == LOOKED:
        faults = [fault for line in first if (fault := _fault(line)) is not None]
        if len(faults) > most_dead * LOOKED:
            reasons = [reason for reason, _ in Counter(faults).most_common(_REASONS)]
            raise MostlyDead(source, len(faults), LOOKED, reasons)
    yield from first
    if error is not None:
        raise error
    yield from reader


def _fault(line: RawLine) -> str | None:
    """The first fault of a message, if it has any."""
    try:
        decode_event(line.raw)
    except Undecodable as error:
        return part_fault(part_key(line.part, line.line_no)) if line.part else error.faults[0]
    return None
