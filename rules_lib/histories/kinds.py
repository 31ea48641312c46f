"""Which kinds of subjects there are: each has one history, and a rule looks at one of them (``looks_at``)."""

from collections.abc import Callable, Container, Iterable

from knowledge_base.digests.head import Digest
from knowledge_base.subjects import PATIENT, Subject, SubjectKind
from rules_lib.histories.history import History
from rules_lib.histories.patient import PatientHistory

MakeHistory = Callable[[Subject, Iterable[Digest], Container[str]], History]
"""Makes a subject's history from digests in any order; the codes are the items that rules can speak of."""

HISTORIES: dict[SubjectKind, MakeHistory] = {PATIENT: PatientHistory}
