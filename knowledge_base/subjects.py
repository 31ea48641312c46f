"""Subjects: whom or what findings are about. Each has one kind and a name that is unique in its area.

A patient's area is the one that insures; that of an institution, practitioner, item or terminal is the institution's;
that of a trace code is the later settlement's. An event says the area of each of its subjects (``Kind.subjects``).
"""

from typing import NamedTuple

SubjectKind = str
"""``patient``, and what else ``rules_lib.histories`` holds a history of: practitioner, institution, item ..."""

PATIENT: SubjectKind = "patient"


class Subject(NamedTuple):
    """``("patient", "p1")``; a name of several words has a bar between them, ``("item", "H1|X")``."""

    kind: SubjectKind
    name: str


def patient(name: str) -> Subject:
    """A patient by the least of the pseudonyms that are one person."""
    return Subject(PATIENT, name)
