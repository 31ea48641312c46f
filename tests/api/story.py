"""A small county for tests of the console: invented claims, judged by the real rules, stored as a worker would."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import zstandard
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date
from knowledge_base.events.claims import Claim, ClaimLine, Diagnosis, Paid
from knowledge_base.findings import Change, Finding, FindingVersion, Maker, finding_id
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.engine import Judgement, judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from streams.handlers.rule_sets import publish_first
from streams.messages.codec import encode_event
from streams.messages.kinds import details_of, digest_of
from streams.messages.packing import encode_details, encode_digest
from streams.messages.vault import Vault
from streams.store.judgements.findings import save_versions
from tests.reference.spelling import spelled
from tests.streams.leads import apply_findings

AREA = "420281"
COUNTY, TOWN, PHARMACY = "H42028100001", "H42028100002", "P42028100003"
NAMES = {COUNTY: "虚构县中医院", TOWN: "虚构镇卫生院"}
TODAY = date(2026, 4, 20)
VAULT = Vault(b"tests of the desk")

BED, NURSING, HBA1C, ROUTINE = "001109000010000", "001201000040000", "002503020030000", "003101000010000"
HOSPITAL_DRUG = "ZA12HAY0759010106725"
ITEM_NAMES = {
    BED: "普通病房床位费",
    NURSING: "Ⅱ级护理",
    HBA1C: "糖化血红蛋白测定",
    ROUTINE: "普通心电图检查",
    HOSPITAL_DRUG: "银杏内酯注射液",
}


def at(day: date, hour: int = 10) -> datetime:
    """An hour of a day in China."""
    return datetime.combine(day, time(hour), UTC) - timedelta(hours=8)


def line(number: int, item: str, day: date, quantity: str = "1", price: str = "20", **more: Any) -> ClaimLine:
    amount = Decimal(quantity) * Decimal(price)
    words: dict[str, Any] = {"item_name": ITEM_NAMES[item], "unit_price": Decimal(price), "in_fund_scope": amount}
    return ClaimLine(f"L{number}", Decimal(quantity), amount, at(day), item_code=item, **(words | more))


def claim(patient: str, encounter: str, lines: Sequence[ClaimLine], last: date, **more: Any) -> Claim:
    """An outpatient claim, paid by the fund and by item; ``more`` changes anything."""
    scope = sum((entry.in_fund_scope or Decimal(0) for entry in lines), Decimal(0))
    words: dict[str, Any] = {
        "event_id": f"sim:{encounter}",
        "area": AREA,
        "kind": "claim",
        "happened_at": at(last, 17),
        "sender": "sim",
        "claim_id": f"C-{encounter}",
        "encounter_id": encounter,
        "patient": patient,
        "institution": COUNTY,
        "visit_type": "11",
        "settled_at": at(last, 17),
        "lines": tuple(lines),
        "sex": "1",
        "birth_date": date(1958, 6, 1),
        "payment_method": "item",
        "diagnoses": (Diagnosis("I10.x00", "高血压", True),),
        "operations": (),
        "paid": Paid(pooled_fund=scope * Decimal("0.8")),
    }
    return spelled(Claim(**(words | more)))


def stay(patient: str, encounter: str, first: date, last: date, lines: Sequence[ClaimLine], **more: Any) -> Claim:
    words = {"visit_type": "21", "admitted_at": at(first, 9), "discharged_at": at(last, 11)}
    return claim(patient, encounter, lines, last, **(words | more))


def county() -> list[Claim]:
    """34 stays with a bed day too many, one patient seen elsewhere, twice HbA1c, and a drug on an emergency visit."""
    claims = [_long_stay(number) for number in range(34)]
    first, visit = date(2026, 3, 10), date(2026, 3, 13)
    own = [line(1, ROUTINE, first), line(2, ROUTINE, visit, price="60", item_kind="service")]
    claims.append(stay("demo-p-0050", "S50", first, first + timedelta(days=6), own, institution=TOWN))
    seen = [line(1, HBA1C, visit, price="60", item_kind="service")]
    claims.append(claim("demo-p-0050", "V51", seen, visit))
    for number, day in enumerate((date(2026, 3, 1), date(2026, 3, 9))):
        claims.append(claim("demo-p-0060", f"V6{number}", [line(1, HBA1C, day, price="60")], day))
    eve = TODAY - timedelta(days=1)
    claims.append(emergency("demo-p-0070", eve))
    claims.append(
        claim("demo-p-0071", "V71", [line(1, HOSPITAL_DRUG, eve, price="80")], eve, institution=PHARMACY, sex="2")
    )
    mid = date(2026, 2, 1)
    claims.append(
        stay("demo-p-0001", "S-open", mid, mid + timedelta(days=9), [line(1, BED, mid, price="30")], mid_stay=True)
    )
    return claims


def emergency(patient: str, day: date) -> Claim:
    """A hospital drug on an emergency visit: a stay on the next day would excuse it."""
    lines = [line(1, HOSPITAL_DRUG, day, price="80")]
    return claim(patient, f"E-{patient}", lines, day, visit_type="13", institution=TOWN)


def _long_stay(number: int) -> Claim:
    first = date(2026, 1, 5) + timedelta(days=2 * number)
    days = 4 + number % 5
    last = first + timedelta(days=days)
    lines = [line(1 + index, BED, first + timedelta(days=index), price="30") for index in range(days + 1)]
    lines += [line(20 + index, ROUTINE, first + timedelta(days=index), price="18") for index in range(4)]
    method = "drg" if number % 7 == 0 else "item"
    return stay(f"demo-p-{number:04}", f"S{number}", first, last, lines, payment_method=method)


def judged(claims: Iterable[Claim], rule_set: RuleSet) -> dict[str, Judgement]:
    """What the rules say of each patient."""
    of: dict[str, list[Claim]] = defaultdict(list)
    for entry in claims:
        of[entry.patient].append(entry)
    judgements = {}
    for patient, together in of.items():
        rules = rule_set.of(PATIENT)
        history = PatientHistory(Subject(PATIENT, patient), map(digest_of, together), rules.by_code)
        judgements[patient] = judge(history, ALL_DAYS, rules)
    return judgements


TOPIC_OF = {rule.id: rule.topic for rule in load_rule_set(load_facts()).rules}


def version_of(finding: Finding, number: int = 1, change: Change = Change.RAISED, rule_set: str = "") -> FindingVersion:
    subject = Subject(PATIENT, finding.occurrence[0])
    name = finding_id(AREA, finding.maker_id, finding.occurrence)
    maker, topic = Maker("rule", finding.maker_id, rule_set, "r", "c"), TOPIC_OF[finding.maker_id]
    return FindingVersion(AREA, name, number, change, subject, maker, topic, finding, "event", 1)


def next_version(version: FindingVersion, change: Change = Change.REVISED, **changed: Any) -> FindingVersion:
    """The version after one, with another finding inside where ``changed`` says so."""
    following: FindingVersion = _replace(
        version, version=version.version + 1, change=change, finding=_replace(version.finding, **changed)
    )
    return following


def _replace(struct: Any, **changed: Any) -> Any:
    return type(struct)(**({name: getattr(struct, name) for name in struct.__struct_fields__} | changed))


async def save_county(dsn: str, rule_set: RuleSet) -> list[FindingVersion]:
    """Stores the county and its leads, and returns the finding versions."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await publish_first(connection, rule_set)
            claims = county()
            await save_claims(connection, claims)
            judgements = judged(claims, rule_set)
            await save_gaps(connection, judgements)
            versions = [
                version_of(finding, rule_set=rule_set.hash) for j in judgements.values() for finding in j.findings
            ]
            await save_versions(connection, AREA, versions)
            await apply_findings(connection, versions, rule_set)
            await connection.executemany("insert into institutions (institution, name) values ($1, $2)", NAMES.items())
            await _save_ledger(connection, len(claims))
        return versions
    finally:
        await connection.close()


async def save_claims(connection: asyncpg.Connection, claims: Sequence[Claim]) -> None:
    for seq, entry in enumerate(claims, 1 + await connection.fetchval("select coalesce(max(seq), 0) from event_ids")):
        digest = digest_of(entry)
        first, last = digest.span
        await connection.execute(
            """
            insert into events (area, patient, seq, event_id, kind, claim_id, encounter_id, institution, first_day,
                last_day, reverses, corrects, money, source, digest, details)
            values ($1, $2, $3, $4, 'claim', $5, $6, $7, $8, $9, $10, $11, 0, 'sim', $12, $13)
            """,
            AREA,
            entry.patient,
            seq,
            entry.event_id,
            entry.claim_id,
            entry.encounter_id,
            entry.institution,
            as_date(first),
            as_date(last),
            entry.reverses,
            entry.corrects,
            encode_digest(digest),
            encode_details(details_of(entry)),
        )
        await connection.execute(
            "insert into event_ids (area, event_id, content_hash, seq) values ($1, $2, '', $3)",
            AREA,
            entry.event_id,
            seq,
        )
        body = zstandard.ZstdCompressor().compress(encode_event(entry))
        await connection.execute("insert into received (area, seq, body) values ($1, $2, $3)", AREA, seq, body)


async def save_gaps(connection: asyncpg.Connection, judgements: dict[str, Judgement]) -> None:
    for person, judgement in judgements.items():
        for number, gap in enumerate(judgement.not_evaluated):
            await connection.execute(
                """
                insert into not_evaluated (area, person, anchor_id, rules, reason, occurrence, first_day, last_day, seq)
                values ($1, $2, $3, $4, $5, $6, $7, $8, 1)
                """,
                AREA,
                person,
                number.to_bytes(4, "big"),
                list(gap.rules),
                gap.reason,
                list(gap.occurrence),
                as_date(gap.first_day),
                as_date(gap.last_day),
            )


async def _save_ledger(connection: asyncpg.Connection, accepted: int) -> None:
    await connection.execute(
        """
        insert into ledger (topic, partition, source, day, accepted, duplicate, conflict, dead, accepted_money)
        values ('claims', 0, 'sim', $1, $2, 3, 1, 2, 12345.6), ('claims', 1, 'sim', $1::date - 1, 5, 0, 0, 0, 88)
        """,
        TODAY,
        accepted - 5,
    )
    await connection.execute(
        "insert into log_heads (topic, partition, next) values ('claims', 0, $1), ('claims', 1, 5), ('findings', 0, 7)",
        accepted + 1,
    )
    await connection.execute(
        """
        insert into group_offsets ("group", topic, partition, next, owner, lease_until) values
            ('judges', 'claims', 0, $1, 'host-1', now() + interval '1 day'), ('judges', 'claims', 1, 5, null, null),
            ('leads', 'findings', 0, 7, 'host-1', now() + interval '1 day')
        """,
        accepted + 1,
    )
    await connection.executemany(
        """
        insert into dead_letters (topic, partition, "offset", outcome, source, reasons, money, key, body)
        values ('claims', 0, $1, $2, 'sim', $3::jsonb, $4, 'k', $5)
        """,
        [
            (1, "dead", '["lines[0].amount: missing", "lines[2].amount: missing"]', None, VAULT.seal(b"{bad}")),
            (2, "dead", '["patient: missing"]', Decimal("18.5"), VAULT.seal(encode_event(emergency("letter", TODAY)))),
            (3, "conflict", '["event_id: known with other content"]', Decimal(20), VAULT.seal(b"{}")),
        ],
    )


def reversal_of(entry: Claim) -> Claim:
    return replace(entry, event_id=f"{entry.event_id}-r", claim_id=f"{entry.claim_id}-r", reverses=entry.claim_id)
