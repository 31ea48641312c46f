"""What became of a finding since it was decided on: the version that was seen beside the one that holds."""

import msgspec

from api.frame import formats
from api.frame.texts import Texts
from knowledge_base.days import as_date
from knowledge_base.findings import Finding
from rules_lib.wording import number


class Difference(msgspec.Struct, frozen=True):
    """One thing that a finding says otherwise than before; ``what`` is the key of its text (``revisions``)."""

    what: str
    before: str
    after: str


def differences(before: Finding, after: Finding, texts: Texts) -> list[Difference]:
    """What two versions of a finding say otherwise, in the order in which it matters."""
    told = [
        Difference(what, old, new)
        for (what, old), (_, new) in zip(_told(before, texts), _told(after, texts), strict=True)
    ]
    return [difference for difference in told if difference.before != difference.after]


def _told(finding: Finding, texts: Texts) -> list[tuple[str, str]]:
    amounts = finding.amounts
    return [
        ("in_question", formats.money(amounts.in_question)),
        ("in_fund", formats.money(amounts.in_fund)),
        ("loss", texts("amounts.unknown") if amounts.loss is None else formats.money(amounts.loss)),
        ("value", number(finding.value)),
        ("limit", number(finding.limit)),
        ("lines", str(len(finding.guilty))),
        ("days", " – ".join(as_date(day).isoformat() for day in (finding.first_day, finding.last_day))),
        ("institution", finding.institution),
    ]
