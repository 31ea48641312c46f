"""Explaining: judging one finding again with the events, facts and rule as they were known, from the received bytes.

It reads no digest and no window: the whole history of the person up to ``as_of`` is decoded anew and judged whole, so
an error of the windows would show as "different".
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from knowledge_base.digests.kinds import Digest, digest_of
from knowledge_base.findings import Change, Finding, FindingVersion, finding_id
from rules_lib.engine import judge
from rules_lib.histories.patient import History
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from streams.messages.codec import decode_event
from streams.messages.versions import encode_finding
from streams.pipeline.touching import merged_persons
from streams.store.events import stored as events
from streams.store.judgements import findings, published
from streams.store.sessions import Connection


class Verdict(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    CHECK_CHANGED = "check changed"


class Explanation(msgspec.Struct, frozen=True):
    """What was stored, what judging again says, and whether the two are the same.

    ``check changed`` says that they differ and that the source of the check is another than it was.
    """

    verdict: Verdict
    stored: FindingVersion
    again: Finding | None
    events: int


async def explain(connection: Connection, area: str, name: str, version: int | None = None) -> Explanation | None:
    """A version of a finding (the newest by default) judged again as it was; ``None`` where there is none.

    Raises ``LookupError`` where the rule set that judged it is not in the store.
    """
    stored = await findings.load_version(connection, area, name, version)
    if stored is None:
        return None
    rule_set = await published.load_rule_set(connection, stored.rule_set)
    if rule_set is None:
        raise LookupError(f"rule set {stored.rule_set} is not in the store")
    bodies = await events.load_received(connection, area, stored.person, stored.as_of)
    digests = [digest_of(decode_event(body)) for body in bodies]
    again = _judged_again(area, stored, digests, rule_set)
    return Explanation(_verdict(stored, again, rule_set), stored, again, len(digests))


def _judged_again(area: str, stored: FindingVersion, digests: Sequence[Digest], rule_set: RuleSet) -> Finding | None:
    alone = {digest.patient: [digest.patient] for digest in digests}
    members = {**alone, **merged_persons(alone, digests)}
    own = set(members.get(stored.person, ()))
    person = History(stored.person, [digest for digest in digests if digest.patient in own], rule_set.by_code)
    if any(stored.person in together for name, together in members.items() if name != stored.person):
        return None
    for finding in judge(person, ALL_DAYS, rule_set).findings:
        if finding_id(area, finding.rule_id, finding.occurrence) == stored.finding_id:
            return finding
    return None


def _verdict(stored: FindingVersion, again: Finding | None, rule_set: RuleSet) -> Verdict:
    if stored.change is Change.WITHDRAWN:
        same = again is None
    else:
        same = again is not None and encode_finding(again) == encode_finding(stored.finding)
    if same:
        return Verdict.SAME
    rule = rule_set.by_id.get(stored.finding.rule_id)
    unchanged = rule is None or rule.check_hash == stored.check_hash
    return Verdict.DIFFERENT if unchanged else Verdict.CHECK_CHANGED
