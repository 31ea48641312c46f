"""Topics: their names, partitions and who reads them. Keys decide who sees what together."""

import msgspec

CLAIMS = "claims"
PRESCRIPTIONS = "prescriptions"
REPLIES = "replies"
FINDINGS = "findings"
DECISIONS = "decisions"

JUDGES = "judges"
LEADS = "leads"
ORDERS = "orders"


class Topic(msgspec.Struct, frozen=True):
    """One topic. ``group`` reads it (``None``: only readers outside), in so many partitions unless a setting says more.

    Which kinds of events a topic carries, and by which fields they are keyed, ``streams.messages.kinds`` says.
    """

    name: str
    partitions: int
    group: str | None


#: Findings have one partition because leads have one writer.
TOPICS: dict[str, Topic] = {
    CLAIMS: Topic(CLAIMS, 4, JUDGES),
    PRESCRIPTIONS: Topic(PRESCRIPTIONS, 4, ORDERS),
    REPLIES: Topic(REPLIES, 2, ORDERS),
    FINDINGS: Topic(FINDINGS, 1, LEADS),
    DECISIONS: Topic(DECISIONS, 1, None),
}
