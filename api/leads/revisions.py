"""What became of a finding since it was decided on: the version that was seen beside the one that holds."""

import msgspec

from api.frame.sentences import yuan
from api.frame.texts import Texts
from knowledge_base.cards import Card
from knowledge_base.days import as_date
from knowledge_base.findings import Finding
from rules_lib.wording import Names, measured_words


class Difference(msgspec.Struct, frozen=True):
    """One thing that a finding says otherwise than before; ``what`` is the key of its text (``revisions``)."""

    what: str
    before: str
    after: str


def differences(before: Finding, after: Finding, card: Card, names: Names, texts: Texts) -> list[Difference]:
    """What two versions of a finding say otherwise, in the order in which it matters."""
    old, new = (_told(finding, card, names, texts) for finding in (before, after))
    told = [Difference(what, was, new[what]) for what, was in old.items()]
    return [difference for difference in told if difference.before != difference.after]


def _told(finding: Finding, card: Card, names: Names, texts: Texts) -> dict[str, str]:
    """What a finding says, by the key of its text, every number with its unit."""
    amounts = finding.amounts
    value, limit = measured_words(card, finding, names, texts.lang)
    return {
        "in_question": yuan(amounts.in_question, texts),
        "in_fund": yuan(amounts.in_fund, texts),
        "loss": texts("amounts.unknown") if amounts.loss is None else yuan(amounts.loss, texts),
        "value": value,
        "limit": limit,
        "lines": texts("revisions.of_lines", count=len(finding.guilty)),
        "days": " – ".join(as_date(day).isoformat() for day in (finding.first_day, finding.last_day)),
        "institution": finding.institution,
    }
