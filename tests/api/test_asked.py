"""Beside the lines of a finding stands whether they were asked about before they were settled, and what was said."""

import html
import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, cast

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

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
from streams.messages.kinds import digest_of
from streams.store.events.asked import find_asked
from streams.store.events.overrides import count_overrides
from streams.store.judgements.findings import save_versions
from tests.api.story import AREA, COUNTY, HBA1C, ROUTINE, TODAY, TOWN, at, claim, judged, line, save_claims, version_of
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
    assert _notes(page) == [f"询问并通过：凭据 RQ，规则集 {SET[:12]}，2026-03-11 09:00", "未询问"]
    assert "可以减轻处罚，但不免除退款" in page


async def test_that_a_line_compared_with_it_passed_mitigates_nothing(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    version = await _save(connection, rule_set, _claims("o1", None))
    await save_asked(connection, [request("Q", FIRST, [_ordered(day=FIRST)], patient=WHO)])
    page = await _page(client, connection, version)
    assert _notes(page) == ["未询问", f"询问并通过：凭据 RQ，规则集 {SET[:12]}，2026-03-02 09:00"]
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


def _line(named: str | None = "o1", **more: Any) -> BilledLine:
    words: dict[str, Any] = {"patient": WHO, "day": SECOND.toordinal(), "item_code": HBA1C}
    words |= {"settled_at": at(SECOND, 17), "key": (COUNTY, "V91", "L1")}
    return BilledLine(order_id=named, **(words | more))


async def _codes(connection: asyncpg.Connection, of: BilledLine, area: str = AREA) -> list[str | None]:
    asked: Asked = (await find_asked(connection, area, [of])).get(of.key, ())
    return [answer.code for answer in asked]


async def test_which_requests_a_line_was_asked_about_in(connection: asyncpg.Connection) -> None:
    """By the number of its order, or of its prescription and the same item; before it was settled; within reach."""
    numbered = _ordered(2, prescription_id="rx9")
    await save_asked(
        connection,
        [
            request("one", SECOND, [_ordered(1)], patient=WHO),
            request("again", SECOND, [_ordered(1)], patient=WHO, happened_at=at(SECOND, 12)),
            request("after", SECOND, [_ordered(1)], patient=WHO, happened_at=at(SECOND, 18)),
            request("elsewhere", SECOND, [_ordered(1)], patient=WHO, institution=TOWN),
            request("another", SECOND, [_ordered(1)], patient="demo-p-0091"),
            request("told", SECOND, [replace(_ordered(1), current=False)], patient=WHO),
            request("area", SECOND, [_ordered(1)], patient=WHO, area="429900"),
            request("long-ago", SECOND, [_ordered(1, SECOND - timedelta(days=31))], patient=WHO),
            request("number", SECOND, [numbered], patient=WHO),
            request("two", SECOND, [order(3, ROUTINE), order(3, HBA1C)], patient=WHO),
        ],
    )
    assert await _codes(connection, _line()) == ["Rone", "Ragain"]
    assert await _codes(connection, _line(settled_at=at(SECOND, 10))) == ["Rone"]
    assert await _codes(connection, _line(day=SECOND.toordinal() + 30)) == ["Rone", "Ragain"]
    assert await _codes(connection, _line(day=SECOND.toordinal() + 31)) == []
    assert await _codes(connection, _line(item_code=ROUTINE)) == ["Rone", "Ragain"], "billed as something else"
    assert await _codes(connection, _line("rx9")) == ["Rnumber"]
    assert await _codes(connection, _line("rx9", item_code=ROUTINE)) == []
    assert await _codes(connection, _line("o3", item_code=ROUTINE, day=TODAY.toordinal())) == ["Rtwo"]
    assert await _codes(connection, _line("o3", item_code="001", day=TODAY.toordinal())) == []
    assert await _codes(connection, _line(None)) == []
    assert await _codes(connection, _line(), "429900") == ["Rarea"]


async def test_of_lines_settled_one_after_the_other_each_was_asked_about_before_its_own(
    connection: asyncpg.Connection,
) -> None:
    asked = [request(name, SECOND, [_ordered(1)], patient=WHO, happened_at=at(SECOND, hour)) for name, hour in _TWICE]
    await save_asked(connection, asked)
    early = _line(settled_at=at(SECOND, 10), key=(COUNTY, "V91", "early"))
    found = await find_asked(connection, AREA, [early, _line()])
    assert {key[2]: [answer.code for answer in asked] for key, asked in found.items()} == {
        "early": ["Rone"],
        "L1": ["Rone", "Rtwo"],
    }


_TWICE = (("one", 9), ("two", 12))


async def test_what_was_judged_after_the_answer_is_no_pass_of_any_rule(connection: asyncpg.Connection) -> None:
    """Nor of one that the answer did not name among those that had no say."""
    late = request("one", SECOND, [_ordered(1)], patient=WHO, advice=unasked("Rone", at(SECOND, 9), "FW10000099"))
    await save_asked(connection, [late])
    await save_judged_late(connection, late)
    ((answer,),) = (await find_asked(connection, AREA, [_line()])).values()
    assert not answer.judged(AGAIN)


async def test_another_pseudonym_of_the_same_person_was_asked_about(connection: asyncpg.Connection) -> None:
    await save_asked(connection, [request("one", SECOND, [_ordered(1)], patient="card-2")])
    assert await _codes(connection, _line()) == []
    names = [(AREA, WHO, "one person"), (AREA, "card-2", "one person")]
    await connection.executemany("insert into persons (area, patient, person, seq) values ($1, $2, $3, 1)", names)
    assert await _codes(connection, _line()) == ["Rone"]


async def test_a_repeat_was_answered_where_it_was_said_first(connection: asyncpg.Connection) -> None:
    first = warning("one-1", (WHO, HBA1C, str(SECOND)), _ordered(), rule=AGAIN)
    again = warning("two-1", (WHO, HBA1C, str(SECOND)), _ordered(), rule=AGAIN, repeats=first.warning_id)
    of = {"patient": WHO}
    await save_asked(
        connection,
        [
            request("one", SECOND, [_ordered()], advice=advised("Rone", at(SECOND, 9), first), **of),
            request("two", SECOND, [_ordered()], advice=advised("Rtwo", at(SECOND, 9), again), **of),
            reply("one", first, "change", at(SECOND, 10)),
        ],
    )
    (answers,) = (await find_asked(connection, AREA, [_line()])).values()
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
    """Not at all where no line names its order, and once more since when the rule is live."""

    async def count_statements(claims: Sequence[Claim]) -> int:
        (finding,) = [of for of in judged(claims, rule_set)[WHO].findings if of.maker_id == AGAIN]
        marked, _ = marked_claims(finding, PatientHistory(patient(WHO), map(digest_of, claims), ()), claims)
        counting = _Counting(connection)
        await find_lines_asked(cast(asyncpg.Connection, counting), rule_set.by_id[AGAIN], AREA, marked, EVERYTHING)
        return counting.statements

    assert await count_statements(_claims(None, None)) == 0
    assert await count_statements(_claims("o1", "o2")) == 1
    many = [request(f"q{n}", SECOND, [_ordered(1), _ordered(2)], patient=WHO) for n in range(20)]
    await save_asked(connection, many)
    assert await count_statements(_claims("o1", "o2")) == 2


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
