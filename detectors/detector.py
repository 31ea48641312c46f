"""What a detector is: a card, and a pure function from accepted events to suspicions. It suspects and never judges.

A detector's findings are a function of the events up to a mark, and of its card and source code; each version names all
of them, so that ``explain`` can make it again. Its money is at stake (``Finding.at_stake``), never in question.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from knowledge_base.cards import Card
from knowledge_base.digests.head import Digest
from knowledge_base.findings import Finding
from knowledge_base.subjects import Subject


class Suspicion(NamedTuple):
    """A finding with the subject that it is about; its ``maker_id`` is the id of the detector's card."""

    subject: Subject
    finding: Finding


class Detector(Protocol):
    """One detector."""

    card: Card

    def detect(self, digests: Iterable[Digest]) -> Iterator[Suspicion]:
        """What it suspects, given the digests of an area's accepted events in the order of their arrival."""


DETECTORS: dict[str, Detector] = {}
"""The detectors of this program, by the id of their card."""
