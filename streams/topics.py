"""Topics: their names, partitions and who reads them. Keys decide who sees what together."""

from streams.bus import Bus

CLAIMS = "claims"
FINDINGS = "findings"
DECISIONS = "decisions"

#: Claims are keyed by area and patient. Findings have one partition because leads have one writer.
PARTITIONS = {CLAIMS: 4, FINDINGS: 1, DECISIONS: 1}

JUDGES = "judges"
LEADS = "leads"


async def create_topics(bus: Bus, claims_partitions: int = PARTITIONS[CLAIMS]) -> None:
    """Makes all topics that do not exist yet."""
    for topic, partitions in {**PARTITIONS, CLAIMS: claims_partitions}.items():
        await bus.create_topic(topic, partitions)
