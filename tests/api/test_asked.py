"""Beside the lines of a finding stands whether they were asked about before they were settled, and what was said."""

import html
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast

import asyncpg
import httpx
import pytest

from api.leads.asked import find_lines_asked
from api.leads.evidence import marked_claims
from casework.asked import Asked, BilledLine
from casework.sight import Sight
from knowledge_base.events.claims import Claim
from knowledge_base.events.prescriptions import Order
from knowledge_base.findings import FindingVersion
from knowledge_base.subjects import patient
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_set import RuleSet
from streams.jobs.keeping_orders import keep_touched
from streams.messages.kinds import digest_of
from streams.store.events.asked import find_asked
from streams.store.events.overrides import count_overrides
from streams.store.judgements.findings import save_versions
from tests.api.story import AREA, COUNTY, HBA1C, TODAY, TOWN, at, claim, judged, line, save_claims, version_of
from tests.api.warned import (
    AGAIN,
    SET,
    advised,
    order,
    reply,
    request,
    save_asked,
    save_judged_late,
    unasked,
    warning,
)
from tests.streams.leads import apply_findings

WHO = "demo-p-0090"
FIRST, SECOND = date(2026, 3, 2), date(2026, 3, 11)
EVERYTHING = Sight(TODAY.toordinal() + 1)


def _claims(first: str | None, second: str | None) -> list[Claim]:
    """HbA1c twice within the quarter; each line says what it was ordered as."""
    return [
        claim(WHO, f"V9{number}", [line(1, HBA1C, day, price="60", order_id=named)], day)
        for number, (day, named) in enumerate(((FIRST, first), (SECOND, second)))
    ]


async def _save(connection: asyncpg.Connection, rule_set: RuleSet, claims: Sequence[Claim]) -> FindingVersion:
    """Stores claims with the finding of them, and its lead."""
    await save_claims(connection, claims)
    (finding,) = [of for of in judged(claims, rule_set)[WHO].findings if of.maker_id == AGAIN]
    version = version_of(finding, rule_set=rule_set.hash)
    async with connection.transaction():
        await save_versions(connection, AREA, [version])
    await apply_findings(connection, [version], rule_set)
    return version


async def _page(client: httpx.AsyncClient, connection: asyncpg.Connection, of: FindingVersion) -> str:
    await _keep(connection)
    lead = await connection.fetchval("select lead_id from lead_findings where finding_id = $1", of.finding_id)
    answer = await client.get(f"/leads/{lead}", params={"finding": of.finding_id, "show": "all"})
    assert answer.status_code == 200
    return html.unescape(answer.text)


def _notes(page: str) -> list[str]:
    """What stands beside lines, without tags."""
    found = re.findall(r'<span class="small asked">(.*?)</span>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", note).split()) for note in found]


def _ordered(number: int = 1, day: date = SECOND, **more: Any) -> Order:
    return order(number, HBA1C, "60", day, **more)


@pytest.fixture(autouse=True)
async def live_for_long(connection: asyncpg.Connection, versions: list[FindingVersion]) -> None:
    """Rules are live since the start of the year."""
    await connection.execute("update makers set live_since = '2026-01-01'")


async def test_a_line_that_was_asked_about_and_passed(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    version = await _save(connection, rule_set, _claims(None, "o1"))
    asked = request("Q", SECOND, [_ordered()], patient=WHO, encounter_id="V91")
    await save_asked(connection, [asked])
    page = await _page(client, connection, version)
    assert _notes(page) == [f"询问并通过：凭据 RQ，规则集 {SET[:12]}，2026-03-11 09:00 {NOT_KNOWN}", "未询问"]
    assert "可以减轻处罚，但不免除退款" in page


async def test_that_a_line_compared_with_it_passed_mitigates_nothing(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    version = await _save(connection, rule_set, _claims("o1", None))
    await save_asked(connection, [request("Q", FIRST, [_ordered(day=FIRST)], patient=WHO)])
    page = await _page(client, connection, version)
    assert _notes(page) == ["未询问", f"询问并通过：凭据 RQ，规则集 {SET[:12]}，2026-03-02 09:00 {NOT_KNOWN}"]
    assert "减轻处罚" not in page


async def test_a_line_that_was_warned_of_with_the_answer(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    version = await _save(connection, rule_set, _claims(None, "o1"))
    said = warning("Q-1", version.finding.occurrence, _ordered(), rule=AGAIN)
    asked = request("Q", SECOND, [_ordered()], patient=WHO, advice=advised("RQ", at(SECOND, 9), said))
    replied = reply("Q", said, "continue", at(SECOND, 10), "病情需要")
    await save_asked(connection, [asked, replied])
    page = await _page(client, connection, version)
    assert _notes(page) == ["已提示：凭据 RQ，2026-03-11 09:00 仍继续执行 2026-03-11 10:00", "未询问"]
    assert "减轻处罚" not in page
    assert f'href="/warnings/{AREA}/{said.warning_id}"' in page


async def test_a_line_that_was_not_judged_in_time(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    """Also where it was judged later, and would have been warned of."""
    version = await _save(connection, rule_set, _claims(None, "o1"))
    late = request("Q", SECOND, [_ordered()], patient=WHO, advice=unasked("RQ", at(SECOND, 9), AGAIN))
    await save_asked(connection, [late])
    expected = ["已询问，当时未能判断：凭据 RQ，2026-03-11 09:00", "未询问"]
    assert _notes(await _page(client, connection, version)) == expected
    await save_judged_late(connection, late, warning("Q-1", version.finding.occurrence, _ordered(), rule=AGAIN))
    assert _notes(await _page(client, connection, version)) == expected


async def test_a_rule_that_was_not_live_then_passed_nothing(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    version = await _save(connection, rule_set, _claims(None, "o1"))
    await save_asked(connection, [request("Q", SECOND, [_ordered()], patient=WHO)])
    await connection.execute("update makers set live_since = '2026-03-12'")
    page = await _page(client, connection, version)
    assert _notes(page)[0] == "已询问，当时这条规则尚未启用：凭据 RQ，2026-03-11 09:00"
    assert "减轻处罚" not in page


async def test_where_no_line_was_asked_about_it_is_said_once(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    version = await _save(connection, rule_set, _claims("o7", "o8"))
    page = await _page(client, connection, version)
    assert _notes(page) == []
    assert page.count("在开医嘱时没有询问过") == 1


async def test_a_rule_that_speaks_after_the_settlement_alone_says_so(
    connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    after_only = rule_set.by_id[AGAIN].model_copy(update={"phases": ("after",)})
    claims = _claims("o1", "o2")
    (finding,) = [of for of in judged(claims, rule_set)[WHO].findings if of.maker_id == AGAIN]
    marked, _ = marked_claims(finding, PatientHistory(patient(WHO), map(digest_of, claims), ()), claims)
    asked = await find_lines_asked(connection, after_only, AREA, marked, EVERYTHING)
    assert asked is not None
    assert (asked.speaks, asked.any_asked) == (False, False)
    shadow = after_only.model_copy(update={"status": "shadow"})
    assert await find_lines_asked(connection, shadow, AREA, marked, EVERYTHING) is None
    elsewhere = Sight(EVERYTHING.today, None, frozenset({TOWN}))
    assert await find_lines_asked(connection, rule_set.by_id[AGAIN], AREA, marked, elsewhere) is None


NOT_KNOWN = "（当时还不知道与它相关的另一笔）"
LINE = (COUNTY, "V91", "L1")


async def _keep(connection: asyncpg.Connection, area: str = AREA) -> None:
    """Writes the ledger of everybody who is known."""
    await connection.execute("insert into touched_orders (area, patient) select distinct area, patient from events")
    await connection.execute("insert into touched_orders (area, patient) select $1, $2", area, WHO)
    while await keep_touched(connection):
        pass


async def _codes(connection: asyncpg.Connection, settled_at: datetime, area: str = AREA) -> list[str | None]:
    """The receipts of the requests that a line was asked about in, as of when it was settled."""
    of = BilledLine(LINE, LINE, "e", settled_at)
    asked: Asked = (await find_asked(connection, area, [of])).get(LINE, ())
    return [answer.code for answer in asked]


async def test_a_line_was_asked_about_before_it_was_settled_in_its_area(connection: asyncpg.Connection) -> None:
    await save_claims(connection, _claims(None, "o1"))
    await save_asked(
        connection,
        [
            request("one", SECOND, [_ordered(1)], patient=WHO, encounter_id="V91"),
            request("again", SECOND, [_ordered(1)], patient=WHO, encounter_id="V91", happened_at=at(SECOND, 12)),
            request("after", SECOND, [_ordered(1)], patient=WHO, encounter_id="V91", happened_at=at(SECOND, 18)),
        ],
    )
    assert await _codes(connection, at(SECOND, 17)) == []
    await _keep(connection)
    assert await _codes(connection, at(SECOND, 17)) == ["Rone", "Ragain"]
    assert await _codes(connection, at(SECOND, 10)) == ["Rone"]
    assert await _codes(connection, at(SECOND, 17), "429900") == []


async def test_what_was_judged_after_the_answer_is_no_pass_of_any_rule(connection: asyncpg.Connection) -> None:
    """Nor of one that the answer did not name among those that had no say."""
    of = {"patient": WHO, "encounter_id": "V91"}
    late = request("one", SECOND, [_ordered(1)], advice=unasked("Rone", at(SECOND, 9), "FW10000099"), **of)
    await save_claims(connection, _claims(None, "o1"))
    await save_asked(connection, [late])
    await save_judged_late(connection, late)
    await _keep(connection)
    ((answer,),) = (await find_asked(connection, AREA, [BilledLine(LINE, LINE, "e", at(SECOND, 17))])).values()
    assert not answer.judged(AGAIN)


async def test_a_repeat_was_answered_where_it_was_said_first(connection: asyncpg.Connection) -> None:
    first = warning("one-1", (WHO, HBA1C, str(SECOND)), _ordered(), rule=AGAIN)
    again = warning("two-1", (WHO, HBA1C, str(SECOND)), _ordered(), rule=AGAIN, repeats=first.warning_id)
    of = {"patient": WHO, "encounter_id": "V91"}
    await save_claims(connection, _claims(None, "o1"))
    await save_asked(
        connection,
        [
            request("one", SECOND, [_ordered()], advice=advised("Rone", at(SECOND, 9), first), **of),
            request("two", SECOND, [_ordered()], advice=advised("Rtwo", at(SECOND, 9), again), **of),
            reply("one", first, "change", at(SECOND, 10)),
        ],
    )
    await _keep(connection)
    (answers,) = (await find_asked(connection, AREA, [BilledLine(LINE, LINE, "e", at(SECOND, 17))])).values()
    warned = [answer.warned[AGAIN] for answer in answers]
    assert [(of.warning_id, of.way) for of in warned] == [(first.warning_id, "change")] * 2


class _Counting:
    """A connection that counts what is asked of it."""

    def __init__(self, connection: asyncpg.Connection):
        self._connection = connection
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        self.statements += 1
        return getattr(self._connection, name)


async def test_a_page_asks_once_however_many_lines_and_requests(
    connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    """And where any was asked about since when the rule is live, and when the bills came."""

    async def count_statements(claims: Sequence[Claim]) -> int:
        (finding,) = [of for of in judged(claims, rule_set)[WHO].findings if of.maker_id == AGAIN]
        marked, _ = marked_claims(finding, PatientHistory(patient(WHO), map(digest_of, claims), ()), claims)
        counting = _Counting(connection)
        await find_lines_asked(cast(asyncpg.Connection, counting), rule_set.by_id[AGAIN], AREA, marked, EVERYTHING)
        return counting.statements

    claims = _claims("o1", "o2")
    assert await count_statements(claims) == 1
    await save_claims(connection, claims)
    many = [request(f"q{n}", SECOND, [_ordered(1), _ordered(2)], patient=WHO) for n in range(20)]
    await save_asked(connection, many)
    await _keep(connection)
    assert await count_statements(claims) == 3


async def test_beside_the_precision_of_a_rule_stands_what_doctors_did(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    version = await _save(connection, rule_set, _claims(None, "o1"))
    page = await _page(client, connection, version)
    assert "近一年提示医生" not in page
    said = warning("Q-1", version.finding.occurrence, _ordered(), rule=AGAIN)
    asked = request("Q", SECOND, [_ordered()], patient=WHO, advice=advised("RQ", at(SECOND, 9), said))
    await save_asked(connection, [asked, reply("Q", said, "continue", at(SECOND, 10), "病情需要")])
    await count_overrides(connection, EVERYTHING)
    page = await _page(client, connection, version)
    expected = "近一年提示医生 1 次，仍继续执行 1 次（写明理由 1，未写 0），其中后来有疑点 1 条（确认 0，排除 0）"
    assert expected in page
    assert "说服力不如决定" in page
    assert "不足 30 条，暂按 25% 估计" in page, "the precision is as it was"
