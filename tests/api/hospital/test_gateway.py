"""The gateway over a real store and a real journal: what a hospital is answered, and what of it is kept."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.access.bearers import new_token, token_hash
from api.hospital.dialect import load_dialects
from api.hospital.example import example_request
from api.hospital.gateway import NO_SUCH_WARNING, OTHERS_WARNING, Gateway, Limits
from api.hospital.keys import Keys
from api.hospital.rates import BURST, MOST_SENDERS, Rates
from api.hospital.sender import Sender
from api.hospital.server import HospitalServer
from api.hospital.sessions import Sessions
from casework.rights import Right
from casework.tokens import Token
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from rules_lib.wording import LONGEST_REMINDER
from streams.acts.tokens import give_token, revoke_token
from streams.bus import Message
from streams.handlers.asking import rehearse
from streams.hosts.service import Service, open_service
from streams.jobs.reconciling import reconcile
from streams.jobs.sending_journal import send_unsent
from streams.journal.journal import Journal, open_journal
from streams.messages.pseudonyms import Pseudonyms
from streams.store import sessions
from streams.store.events.overrides import find_figures
from streams.store.events.stored import decompressed
from streams.store.events.warned import WarningFilter, find_warnings
from streams.store.people.tokens import find_keys
from streams.store.sessions import Connection, borrowed, open_asking_pool
from tests.reference.cases import HBA1C, NURSING, at, line, visit
from tests.streams.replay import EVERYTHING, VAULT, replay, until_done

from .messages import NATIONAL_DIALECT, body_of, good_message

PSEUDONYMS = Pseudonyms(b"a key of the tests, which is no secret")
PATIENT = "510000000000000001"
NAME = "甲不可见"
NOW = at("03-12", "10:00")
LATER = NOW + timedelta(seconds=3)
PATIENTLY = Limits(budget=60.0)
SESSIONS = Sessions(VAULT, (), timedelta(hours=1))


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


def ordered(rx_id: str, item: str, begins: str, **fields: Any) -> dict[str, Any]:
    (order,) = orders_in(good_message("3101", orders=1))
    told = {"rx_id": rx_id, "hilist_code": item, "hilist_type": "201", "cnt": 1, "sumamt": 50, "pric": 50}
    return {**order, **told, "ownpay_amt": 0, "drord_begn_date": begins, **fields}


def orders_in(message: dict[str, Any]) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = encounter_in(message)["fsi_order_dtos"]
    return orders


def encounter_in(message: dict[str, Any]) -> dict[str, Any]:
    encounter: dict[str, Any] = message["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]
    return encounter


def asked(msgid: str, *orders: dict[str, Any], infno: str = "3101", **fields: Any) -> dict[str, Any]:
    """A request about an outpatient visit of somebody with a name and a number that nobody may keep."""
    message = good_message(infno, orders=1)
    patient = message["input"]["data"]["patient_dtos"][0]
    patient |= {"patn_id": PATIENT, "patn_name": NAME, "gend": "1"}
    encounter_in(message).update({"med_type": "11", "mdtrt_id": "V1", "fsi_order_dtos": list(orders), **fields})
    return {**message, "msgid": msgid, "insuplc_admdvs": "420281"}


def claim_of(day: str, item: str = HBA1C) -> Claim:
    return replace(visit("c1", line("l1", item, day)), patient=PSEUDONYMS.of(PATIENT), institution="H42028100002")


class Open:
    """A gateway with its service and journal."""

    def __init__(self, gateway: Gateway, service: Service, journal: Journal):
        self.gateway = gateway
        self.service = service
        self.journal = journal

    async def ask(self, message: Any, **more: Any) -> dict[str, Any]:
        body = message if isinstance(message, bytes) else body_of(message)
        answer: dict[str, Any] = json.loads(await self.gateway.answer(body, NATIONAL_DIALECT, **more))
        return answer

    async def take_in(self) -> None:
        """Sends what the journal keeps and waits until it is in the store."""
        while await send_unsent(self.journal, self.service.bus):
            pass
        await self.service.start()
        await until_done(self.service)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Connection]:
        async with borrowed(self.service.pool) as connection:
            yield connection


@pytest.fixture
async def opened(postgres_url: str, rule_set: RuleSet, tmp_path: Path) -> AsyncIterator[Open]:
    async with (
        open_service(postgres_url, rule_set, VAULT) as service,
        open_asking_pool(postgres_url) as pool,
        open_journal(tmp_path / "journal") as journal,
    ):
        gateway = Gateway(pool, rule_set, journal, PSEUDONYMS, VAULT, PATIENTLY, lambda: NOW)
        yield Open(gateway, service, journal)


def results(answer: dict[str, Any]) -> list[dict[str, Any]]:
    assert (answer["infcode"], answer["err_msg"]) == (0, "")
    found: list[dict[str, Any]] = answer["output"]["result"]
    return found


# --- what is answered


async def test_an_examination_done_elsewhere_before_is_told_with_its_day_and_place(
    opened: Open, postgres_url: str
) -> None:
    await replay(postgres_url, [claim_of("03-02")])
    opened.gateway.judge_by(opened.service.rule_set, {"H42028100002": "邻县医院"})
    answer = await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
    (result,) = results(answer)
    assert "上次 2026-03-02 在邻县医院" in result["vola_cont"]
    assert len(result["vola_cont"]) <= LONGEST_REMINDER
    assert (result["patn_id"], result["mdtrt_id"], result["rule_id"]) == (PATIENT, "V1", "FW10000003")
    assert (result["vola_amt"], result["sev_deg"], result["suggested_action"]) == (50, "2", "remind")
    (detail,) = result["judge_result_detail_dtos"]
    assert (detail["rx_id"], detail["vola_item_type"], detail["vola_amt"]) == ("o1", "1", 50)
    receipt = answer["output"]["receipt"]
    assert (receipt["rule_set"], receipt["not_evaluated"]) == (opened.service.rule_set.hash, [])
    assert receipt["as_of"] > 0
    assert result["jr_id"].startswith(f"420281-{receipt['code']}-")


@pytest.mark.parametrize(
    ("item", "since"), [(HBA1C, "03-02"), ("003402000390000", "03-02")], ids=["HbA1c", "rehabilitation"]
)
async def test_the_evidence_is_what_the_limit_of_the_item_rests_on_and_nothing_else(
    opened: Open, postgres_url: str, item: str, since: str
) -> None:
    """The rule names the norm of the rehabilitation's intervals besides, which says nothing of other items."""
    await replay(postgres_url, [claim_of(since, item)])
    message = asked("m1", ordered("o1", item, "2026-03-12 09:00:00"))
    (result,) = results(await opened.ask(message))
    sources = {point.source for point in opened.service.rule_set.facts.points if item in point.codes}
    assert (result["rule_id"], {result["vola_evid"]}) == ("FW10000003", sources)
    assert ("人社部发〔2016〕23号" in result["vola_evid"]) == (item != HBA1C)
    await opened.take_in()
    opened.gateway._known.clear()
    assert results(await opened.ask(message)) == [result]


async def test_a_warning_is_kept_with_who_placed_the_order_that_it_names(opened: Open) -> None:
    """Where that is not told, with the doctor of the encounter."""
    expected: dict[str, str] = {}
    for name, encounter, order, kept in (
        ("1", "D-E", "D-O", "D-O"),
        ("2", None, "D-O", "D-O"),
        ("3", "D-E", "", "D-E"),
    ):
        first = ordered("o1", NURSING, "2026-03-12 08:00:00", drord_dr_codg="D-ANOTHER")
        second = ordered("o2", NURSING, "2026-03-12 09:00:00", drord_dr_codg=order)
        message = asked(f"m{name}", first, second, dr_codg=encounter, mdtrt_id=f"V{name}")
        message["input"]["data"]["patient_dtos"][0]["patn_id"] = f"51000000000000000{name}"
        (result,) = results(await opened.ask(message))
        expected[result["jr_id"]] = kept
    await opened.take_in()
    async with opened.store() as connection:
        rows = await find_warnings(connection, WarningFilter(), EVERYTHING, 10)
    assert {row.warning_id: row.practitioner for row in rows} == expected


async def test_before_payment_a_clear_case_asks_to_look_once_more(opened: Open, postgres_url: str) -> None:
    await replay(postgres_url, [claim_of("03-02")])
    message = asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00"), infno="3102")
    (result,) = results(await opened.ask(message))
    assert result["suggested_action"] == "hold"


async def test_each_problem_is_said_once_in_an_encounter_and_phase(opened: Open) -> None:
    """Nobody is told twice, whichever process was asked; the ledger has it twice."""
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    (first,) = results(await opened.ask(asked("m1", *two)))
    assert results(await opened.ask(asked("m2", *two))) == []
    assert len(results(await opened.ask(asked("m3", *two, infno="3102")))) == 1
    await opened.take_in()
    opened.gateway._recent.clear()
    assert results(await opened.ask(asked("m4", *two))) == []
    assert results(await opened.ask(asked("m5", *two, infno="3102"))) == []
    assert len(results(await opened.ask(asked("m6", *two, mdtrt_id="V2")))) == 1
    await opened.take_in()
    async with opened.store() as connection:
        rows = await connection.fetch("select repeats from warnings where encounter_id = 'V1' and phase = 'before'")
    assert [row["repeats"] for row in rows].count(first["jr_id"]) == 2
    assert len(rows) == 3


@pytest.mark.parametrize("is_stored", [False, True], ids=["in memory", "stored"])
async def test_of_an_order_of_which_nobody_was_told_somebody_is(opened: Open, is_stored: bool) -> None:
    """A colleague's, or one that takes another's place, in the same encounter; what was told is not told again."""
    first, second = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    third = ordered("o3", NURSING, "2026-03-12 09:30:00")
    (told,) = results(await opened.ask(asked("m1", first, second)))
    if is_stored:
        await opened.take_in()
        opened.gateway._recent.clear()
    (again,) = results(await opened.ask(asked("m2", third)))
    assert [of["rx_id"] for of in again["judge_result_detail_dtos"] if of["vola_item_type"] == "1"] == ["o3"]
    assert again["jr_id"] != told["jr_id"]
    assert results(await opened.ask(asked("m3", first, second, third))) == []
    assert results(await opened.ask(asked("m4", first, second))) == []
    await opened.take_in()
    async with opened.store() as connection:
        rows = await connection.fetch("select repeats from warnings where repeats is not null order by seq")
    assert {row["repeats"] for row in rows} == {again["jr_id"], told["jr_id"]}


async def test_what_was_found_too_late_was_told_nobody(opened: Open, postgres_url: str) -> None:
    """So it is told once it is asked about again."""
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    async with open_asking_pool(postgres_url) as pool:
        held, opened.gateway.pool = opened.gateway.pool, pool
    assert results(await opened.ask(asked("m1", *two))) == []
    opened.gateway.pool = held
    await opened.take_in()
    async with opened.store() as connection:
        assert await connection.fetchval("select count(*) from warnings where late") == 1
    assert len(results(await opened.ask(asked("m2", *two)))) == 1


async def test_the_last_time_is_the_last_before_the_order_that_is_named(opened: Open, postgres_url: str) -> None:
    await replay(postgres_url, [claim_of("03-02")])
    await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 08:00:00"), mdtrt_id="V1"))
    (result,) = results(await opened.ask(asked("m2", ordered("o2", HBA1C, "2026-03-12 09:00:00"), mdtrt_id="V2")))
    assert "上次 2026-03-12 在本院" in result["vola_cont"]


async def test_what_explains_a_warning_is_a_detail_of_its_own(opened: Open) -> None:
    """The first of two is within the cap, the second is not."""
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    (result,) = results(await opened.ask(asked("m1", *two)))
    details = [(of["rx_id"], of["vola_item_type"]) for of in result["judge_result_detail_dtos"]]
    assert details == [("o2", "1"), ("o1", "2")]


async def test_a_request_sees_what_the_same_process_answered_before(opened: Open) -> None:
    assert results(await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-11 09:00:00")))) == []
    second = asked("m2", ordered("o2", HBA1C, "2026-03-12 09:00:00"), mdtrt_id="V2")
    (result,) = results(await opened.ask(second))
    assert "上次 2026-03-11 在本院" in result["vola_cont"]
    assert result["judge_result_detail_dtos"][0]["rx_id"] == "o2"


async def test_a_request_sees_what_another_process_answered(opened: Open, rule_set: RuleSet, tmp_path: Path) -> None:
    await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-11 09:00:00")))
    await opened.take_in()
    async with open_journal(tmp_path / "another") as journal:
        gateway = Gateway(opened.gateway.pool, rule_set, journal, PSEUDONYMS, VAULT, PATIENTLY, lambda: NOW)
        another = Open(gateway, opened.service, journal)
        (result,) = results(await another.ask(asked("m2", ordered("o2", HBA1C, "2026-03-12 09:00:00"), mdtrt_id="V2")))
    assert result["rule_id"] == "FW10000003"


@pytest.mark.parametrize("infno", ["3101", "3102"])
async def test_the_example_has_something_to_say(opened: Open, infno: str) -> None:
    (result,) = results(await opened.ask(example_request(infno, NOW)))
    assert result["rule_id"] == "FW10000003"


async def test_of_one_who_has_several_encounters_and_of_several_patients_each_is_judged(opened: Open) -> None:
    """A message may hold every visit of a patient, and other patients."""
    message = asked("m1", ordered("o1", HBA1C, "2026-03-11 09:00:00"))
    (first,) = message["input"]["data"]["patient_dtos"]
    (visit_,) = first["fsi_encounter_dtos"]
    again = visit_ | {"mdtrt_id": "V2", "fsi_order_dtos": [ordered("o2", HBA1C, "2026-03-12 09:00:00")]}
    other = first | {"patn_id": "510000000000000002", "fsi_encounter_dtos": [again | {"mdtrt_id": "W1"}]}
    message["input"]["data"]["patient_dtos"] = [first | {"fsi_encounter_dtos": [visit_, again]}, other]
    (result,) = results(await opened.ask(message))
    assert (result["patn_id"], result["mdtrt_id"]) == (PATIENT, "V2")
    assert opened.journal.state.records == 3


def replied(msgid: str, warning_id: str, way: str) -> dict[str, Any]:
    """What a doctor did about a warning: 1 goes on, 2 changes the order."""
    message = good_message("3103")
    warns = [{"warn_rslt_id": warning_id, "dspo_way": way, "dspo_way_rea": "病情需要"}]
    return {**message, "msgid": msgid, "input": {"data": {"warn_type": "1", "warns": warns}}}


@pytest.mark.parametrize("is_stored", [False, True], ids=["in memory", "stored"])
@pytest.mark.parametrize(("way", "warned"), [("1", 1), ("2", 0)])
async def test_an_order_that_is_changed_for_a_warning_is_held_against_no_other(
    opened: Open, postgres_url: str, way: str, warned: int, is_stored: bool
) -> None:
    """The second examination in 15 days is taken back, or not; the third is within 15 days of it alone."""
    await replay(postgres_url, [claim_of("02-26")])

    async def pause() -> None:
        if is_stored:
            await opened.take_in()
            opened.gateway._recent.clear()
            opened.gateway._replies.clear()

    (warning,) = results(await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-08 09:00:00"))))
    await pause()
    assert (await opened.ask(replied("m2", warning["jr_id"], way)))["infcode"] == 0
    await pause()
    third = ordered("o2", HBA1C, "2026-03-14 09:00:00")
    assert len(results(await opened.ask(asked("m3", third, mdtrt_id="V2")))) == warned


@pytest.mark.parametrize("is_stored", [False, True], ids=["in memory", "stored"])
async def test_a_reply_that_counts_for_no_warning_is_taken_and_told_so(
    opened: Open, postgres_url: str, is_stored: bool
) -> None:
    await replay(postgres_url, [claim_of("03-02")])
    (warning,) = results(await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00"))))
    if is_stored:
        await opened.take_in()
        for remembered in (opened.gateway._recent, opened.gateway._said_to):
            remembered.clear()
    own = await opened.ask(replied("m2", warning["jr_id"], "1"))
    assert (own["infcode"], own["err_msg"], own["output"]) == (0, "", {})
    for msgid, name, sender, reason in (
        ("m3", "420281-NEVERSAID-1", "H42010000001", NO_SUCH_WARNING),
        ("m4", warning["jr_id"], "H42010000002", OTHERS_WARNING),
    ):
        answer = await opened.ask({**replied(msgid, name, "1"), "fixmedins_code": sender})
        assert (answer["infcode"], answer["err_msg"]) == (0, "")
        assert answer["output"] == {"not_counted": [{"warn_rslt_id": name, "reason": reason}]}
    await opened.take_in()
    async with opened.store() as connection:
        rows = await connection.fetch("select event_id, institution from replies order by event_id")
    assert [row["event_id"].partition(":")[2] for row in rows] == ["m2:1", "m3:1", "m4:1"]


async def test_without_the_store_nothing_is_said_against_a_reply_to_what_another_process_said(
    opened: Open, postgres_url: str
) -> None:
    async with open_asking_pool(postgres_url) as pool:
        opened.gateway.pool = pool
    answer = await opened.ask(replied("m1", "420281-NEVERSAID-1", "1"))
    assert (answer["infcode"], answer["err_msg"], answer["output"]) == (0, "", {})


COURSE_OF_14_DAYS = "XN07XXT050B002010100239"


def supplied(rx_id: str, first: str, last: str, **fields: Any) -> dict[str, Any]:
    """A drug whose course of 14 days is paid, from one day to another."""
    told = {"hilist_type": "101", "drord_stop_date": f"2026-03-{last} 09:00:00", **fields}
    return ordered(rx_id, COURSE_OF_14_DAYS, f"2026-03-{first} 09:00:00", **told)


async def test_what_is_left_of_a_course_is_said_until_nothing_is(opened: Open) -> None:
    first = await opened.ask(asked("m1", supplied("o1", "01", "10")))
    assert results(first) == []
    (hint,) = first["output"]["hints"]
    assert "10 天" in hint["hint_cont"]
    assert "还可 4 天" in hint["hint_cont"]
    assert len(hint["hint_cont"]) <= LONGEST_REMINDER
    assert (hint["rx_id"], hint["mdtrt_id"], hint["rule_id"]) == ("o1", "V1", "GZ10000101010000")
    more = await opened.ask(asked("m2", supplied("o2", "11", "14")))
    assert "还可 0 天" in more["output"]["hints"][0]["hint_cont"]
    beyond = await opened.ask(asked("m3", supplied("o3", "15", "16")))
    assert len(results(beyond)) == 1
    assert beyond["output"]["hints"] == []


async def test_a_hint_is_about_what_is_asked_alone_and_stays_in_the_answer(
    opened: Open, rule_set: RuleSet, tmp_path: Path
) -> None:
    message = asked("m1", supplied("o1", "01", "03", curr_drord_flag="0"), supplied("o2", "04", "06"))
    first = await opened.ask(message)
    assert [hint["rx_id"] for hint in first["output"]["hints"]] == ["o2"]
    told = await opened.ask(asked("m2", supplied("o3", "07", "08", curr_drord_flag="0")))
    assert told["output"]["hints"] == []
    await opened.take_in()
    async with open_journal(tmp_path / "another") as journal:
        gateway = Gateway(opened.service.pool, rule_set, journal, PSEUDONYMS, VAULT, PATIENTLY, lambda: NOW)
        again = await Open(gateway, opened.service, journal).ask(message)
    assert again["output"] == first["output"]


# --- once and again


async def test_the_same_message_gets_the_same_answer_and_another_body_is_refused_and_kept(opened: Open) -> None:
    message = asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00"))
    first = await opened.gateway.answer(body_of(message), NATIONAL_DIALECT)
    again = await asyncio.gather(*[opened.gateway.answer(body_of(message), NATIONAL_DIALECT) for _ in range(3)])
    assert set(again) == {first}
    other = await opened.ask({**message, "opter_name": "另一人"})
    assert other["infcode"] == -1
    assert "msgid 发送方报文ID" in other["err_msg"]
    await opened.take_in()
    async with opened.store() as connection:
        assert await connection.fetchval("select count(*) from prescriptions") == 1
        (letter,) = await connection.fetch("select reasons, body from dead_letters")
        account = await reconcile(connection)
    assert "msgid" in letter["reasons"]
    assert json.loads(VAULT.open(letter["body"]))["opter_name"] == "另一人"
    assert (account.received, account.lost) == (2, 0)


async def test_another_process_gives_the_same_answer_and_refuses_another_body(
    opened: Open, rule_set: RuleSet, tmp_path: Path
) -> None:
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    message = asked("m1", *two)
    first = await opened.ask(message)
    await opened.take_in()
    async with open_journal(tmp_path / "another") as journal:
        gateway = Gateway(opened.gateway.pool, rule_set, journal, PSEUDONYMS, VAULT, PATIENTLY, lambda: NOW)
        another = Open(gateway, opened.service, journal)
        assert (await another.ask(message))["output"] == first["output"]
        assert journal.state.records == 0
        other = await another.ask({**message, "opter_name": "另一人"})
        assert (other["infcode"], "msgid" in other["err_msg"]) == (-1, True)
        longer = asked("m1", *two)
        encounters = longer["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"]
        encounters.append(encounters[0] | {"mdtrt_id": "V2"})
        for body in ({**message, "opter_name": "另一人"}, longer):
            again = Gateway(opened.gateway.pool, rule_set, journal, PSEUDONYMS, VAULT, PATIENTLY, lambda: NOW)
            other = await Open(again, opened.service, journal).ask(body)
            assert (other["infcode"], "msgid" in other["err_msg"]) == (-1, True)
        assert journal.state.records == 3


async def test_asked_at_once_by_many_it_is_answered_once(opened: Open) -> None:
    body = body_of(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
    answers = await asyncio.gather(*[opened.gateway.answer(body, NATIONAL_DIALECT) for _ in range(20)])
    assert len(set(answers)) == 1
    assert opened.journal.state.records == 1


async def test_a_reply_that_is_sent_again_much_later_is_what_it_was(opened: Open) -> None:
    """Another process, or one that has forgotten it by now; the store has not."""
    reply = good_message("3103") | {"msgid": "m2"}
    reply["input"]["data"]["warns"] = [
        {"warn_rslt_id": "420281-A-1", "dspo_way": "1", "dspo_way_rea": "病情"},
        {"warn_rslt_id": "420281-B-1", "dspo_way": "2"},
    ]
    first = await opened.ask(reply)
    assert first["infcode"] == 0
    await opened.take_in()
    opened.gateway._known.clear()
    opened.gateway._replies.clear()
    opened.gateway.now = lambda: LATER
    assert (await opened.ask(reply))["infcode"] == 0
    opened.gateway._known.clear()
    (one, two) = reply["input"]["data"]["warns"]
    for warns in (
        [{**one, "dspo_way_rea": "另一个原因"}, two],
        [one, {**two, "dspo_way": "1", "dspo_way_rea": "病情"}],
    ):
        other = await opened.ask({**reply, "input": {"data": {**reply["input"]["data"], "warns": warns}}})
        assert (other["infcode"], "msgid" in other["err_msg"]) == (-1, True)
    await opened.take_in()
    async with opened.store() as connection:
        letters = await connection.fetch("select outcome, reasons from dead_letters")
        assert await connection.fetchval("select count(*) from replies") == 2
    assert [(row["outcome"], "msgid" in row["reasons"]) for row in letters] == [("dead", True)] * 2


async def begun_again(opened: Open, rule_set: RuleSet, folder: Path) -> AsyncIterator[Open]:
    """Another process on what the journal of one that died holds: here on a copy, as that one lives."""
    shutil.copytree(opened.journal.folder, folder)
    async with open_journal(folder) as journal:
        gateway = Gateway(opened.service.pool, rule_set, journal, PSEUDONYMS, VAULT, PATIENTLY, lambda: LATER)
        gateway.take_up([(of.topic, of.message) for of in await journal.kept_since(NOW)])
        yield Open(gateway, opened.service, journal)


@pytest.mark.parametrize("is_sent", [False, True])
async def test_who_died_before_it_answered_gives_the_same_answer_when_it_is_started_again(
    opened: Open, rule_set: RuleSet, tmp_path: Path, is_sent: bool
) -> None:
    """What it kept is in its journal; the store need not have it yet. The same is kept again as it was, and dropped."""
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    message = asked("m1", *two)
    first = await opened.ask(message)
    (result,) = results(first)
    reply = good_message("3103") | {"msgid": "m2"}
    reply["input"]["data"]["warns"] = [{"warn_rslt_id": result["jr_id"], "dspo_way": "1", "dspo_way_rea": "病情"}]
    assert (await opened.ask(reply))["infcode"] == 0
    if is_sent:
        await send_unsent(opened.journal, opened.service.bus)
    async for again in begun_again(opened, rule_set, tmp_path / "copy"):
        assert (await again.ask(message))["output"] == first["output"]
        assert results(await again.ask(asked("m3", *two))) == [], "it was said in this encounter"
        assert (await again.ask(reply))["infcode"] == 0
        for other in (asked("m1", *two, dr_name="另一人"), reply | {"opter": "2", "input": other_reason(reply)}):
            refused = await again.ask(other)
            assert (refused["infcode"], "msgid" in refused["err_msg"]) == (-1, True)
        while await send_unsent(again.journal, again.service.bus):
            pass
    await opened.take_in()
    async with opened.store() as connection:
        assert await connection.fetchval("select array_agg(event_id order by event_id) from prescriptions") == [
            "H42010000001:m1:1",
            "H42010000001:m3:1",
        ]
        assert await connection.fetchval("select count(*) from replies") == 1
        assert await connection.fetchval("select count(*) from warnings where repeats is null") == 1
        letters = await connection.fetch("select outcome, reasons from dead_letters")
        account = await reconcile(connection)
    assert [(row["outcome"], "msgid" in row["reasons"]) for row in letters] == [("dead", True)] * 2
    assert account.lost == 0


def other_reason(reply: dict[str, Any]) -> dict[str, Any]:
    (warn,) = reply["input"]["data"]["warns"]
    return {"data": {**reply["input"]["data"], "warns": [{**warn, "dspo_way_rea": "另一个原因"}]}}


class Slow:
    """A journal that keeps everything, and says so too late."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        await self._journal.append(topic, messages)
        await asyncio.Event().wait()


async def test_what_was_kept_too_late_to_be_told_is_answered_as_it_was_kept(opened: Open) -> None:
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    opened.gateway.journal, opened.gateway.limits = Slow(opened.journal), Limits(budget=3.0)
    assert "稍后重发" in (await opened.ask(asked("m1", *two)))["err_msg"]
    opened.gateway.journal, opened.gateway.limits = opened.journal, PATIENTLY
    other = await opened.ask(asked("m1", *two, dr_name="另一人"))
    assert (other["infcode"], "msgid" in other["err_msg"]) == (-1, True)
    answer = await opened.ask(asked("m1", *two))
    await opened.take_in()
    async with opened.store() as connection:
        (code,) = await connection.fetchrow("select code from prescriptions")
        conflicts = await connection.fetchval("select count(*) from dead_letters where outcome = 'conflict'")
    assert (code, conflicts) == (answer["output"]["receipt"]["code"], 0)


# --- what is kept


async def test_an_answered_request_is_in_the_journal_before_the_answer_and_then_in_the_store(opened: Open) -> None:
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    answer = await opened.ask(asked("m1", *two))
    assert opened.journal.state.records == 1
    (result,) = results(answer)
    reply = good_message("3103")
    reply["input"]["data"]["warns"] = [
        {"warn_rslt_id": result["jr_id"], "dspo_way": "1", "dspo_way_rea": f"{NAME}家属要求"}
    ]
    assert (await opened.ask({**reply, "msgid": "m2"}))["infcode"] == 0
    await opened.take_in()
    async with opened.store() as connection:
        (row,) = await connection.fetch("select * from prescriptions")
        (warning,) = await connection.fetch("select * from warnings")
        (replied,) = await connection.fetch("select * from replies")
        account = await reconcile(connection)
    assert (row["code"], row["phase"]) == (answer["output"]["receipt"]["code"], "before")
    assert row["patient"] == PSEUDONYMS.of(PATIENT)
    assert warning["warning_id"] == replied["warning_id"] == result["jr_id"]
    assert (replied["way"], VAULT.open(replied["reason"].encode()).decode()) == ("continue", f"{NAME}家属要求")
    assert (account.received, account.lost, account.money_differs) == (2, 0, 0)


async def test_names_and_numbers_end_at_the_door(opened: Open, tmp_path: Path) -> None:
    """Neither the journal nor any table of the store holds them, whatever becomes of a message."""
    await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
    await opened.ask({**asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")), "opter": "2"})
    await opened.ask(asked("m2", ordered("o1", HBA1C, "2026-03-12 09:00:00", cnt=NAME)))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "journal").rglob("*") if path.is_file())
    assert len(kept) > 1000
    await opened.take_in()
    async with opened.store() as connection:
        tables = await connection.fetch(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        )
        for table in tables:
            rows = await connection.fetch(f'select t::text as row from "{table["relname"]}" t')
            kept += "\n".join(row["row"] for row in rows).encode()
        received = await connection.fetch("select body from received")
    kept += b"".join(decompressed(row["body"]) for row in received)
    assert PSEUDONYMS.of(PATIENT).encode() in kept
    for secret in (PATIENT, NAME, "测试乙"):
        assert secret.encode() not in kept
        assert secret.encode("unicode_escape") not in kept


# --- in time


async def test_a_session_has_planned_what_it_is_asked_before_somebody_waits(opened: Open, postgres_url: str) -> None:
    planned = "select array_agg(statement order by statement) from pg_prepared_statements"
    await replay(postgres_url, [claim_of("03-02")])
    async with open_asking_pool(postgres_url, 1, rehearse=rehearse) as opened.gateway.pool:
        async with borrowed(opened.gateway.pool) as connection:
            before = await connection.fetchval(planned)
        assert results(await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00"))))
        async with borrowed(opened.gateway.pool) as connection:
            after = await connection.fetchval(planned)
    assert len(before) == 4
    assert after == before


# --- when something fails


async def test_past_the_budget_the_answer_names_what_was_not_asked_and_is_kept(opened: Open, postgres_url: str) -> None:
    async with open_asking_pool(postgres_url) as pool:
        opened.gateway.pool = pool
        opened.gateway.limits = Limits(budget=60.0, judged_within=0.002)
        lent = [await pool.acquire() for _ in range(pool.get_max_size())]
        answer = await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
        for connection in lent:
            await pool.release(connection)
    assert results(answer) == []
    reasons = {of["reason"] for of in answer["output"]["receipt"]["not_evaluated"]}
    assert reasons == {"超过时限 / out of time"}
    assert "FW10000003" in {of["rule_id"] for of in answer["output"]["receipt"]["not_evaluated"]}
    assert answer["output"]["receipt"]["rule_set"] == ""
    assert opened.journal.state.records == 1


async def test_a_database_that_stands_still_keeps_no_answer_back(opened: Open, postgres_url: str) -> None:
    """A statement that is broken off is waited for by the driver, and nobody waits for that."""
    async with open_asking_pool(postgres_url, 2) as pool:
        opened.gateway.pool = pool
        opened.gateway.limits = Limits(budget=60.0, judged_within=0.005)
        lent = [await pool.acquire() for _ in range(pool.get_max_size())]
        processes = [await connection.fetchval("select pg_backend_pid()") for connection in lent]
        for connection, process in zip(lent, processes, strict=True):
            await pool.release(connection)
            os.kill(process, signal.SIGSTOP)
        try:
            answer = await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
            assert sessions._giving_back, "the answer came after the session was given back"
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
    assert {of["reason"] for of in answer["output"]["receipt"]["not_evaluated"]} == {"超过时限 / out of time"}


async def test_without_the_store_the_answer_says_so_and_is_kept(opened: Open, postgres_url: str) -> None:
    async with open_asking_pool(postgres_url) as pool:
        opened.gateway.pool = pool
    answer = await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
    assert {of["reason"] for of in answer["output"]["receipt"]["not_evaluated"]} == {"数据库不可用 / store away"}
    assert opened.journal.state.records == 1


async def test_what_was_not_judged_in_time_is_judged_when_it_is_stored_and_was_told_nobody(
    opened: Open, postgres_url: str
) -> None:
    async with open_asking_pool(postgres_url) as pool:
        opened.gateway.pool = pool
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    assert results(await opened.ask(asked("m1", *two))) == []
    await opened.take_in()
    async with opened.store() as connection:
        (row,) = await connection.fetch("select * from prescriptions")
        (warning,) = await find_warnings(connection, WarningFilter(), EVERYTHING, 10)
        figures = await find_figures(connection, WarningFilter(), EVERYTHING, 0)
    assert (row["judged_late"], row["rule_set"]) == (True, opened.service.rule_set.hash)
    assert "FW10000003" in row["not_asked"]
    assert (warning.late, warning.rule_id) == (True, "GZ10000102014000")
    assert (figures.total.told, figures.late) == (0, 1)


class Failing:
    """A journal whose disk is full."""

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        raise OSError(28, "no space")


async def test_what_cannot_be_kept_is_refused_in_form_and_may_be_sent_again(opened: Open) -> None:
    message = asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00"))
    opened.gateway.journal = Failing()
    refused = await opened.ask(message)
    assert refused["infcode"] == -1
    assert "稍后重发" in refused["err_msg"]
    opened.gateway.journal = opened.journal
    assert results(await opened.ask(message)) == []


async def test_a_fault_names_field_label_and_rule_and_lands_in_dead_letters(opened: Open) -> None:
    answer = await opened.ask(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00", cnt="")))
    assert answer["infcode"] == -1
    assert answer["err_msg"] == "fsi_order_dtos[0].cnt 数量: 必填 / required"
    await opened.take_in()
    async with opened.store() as connection:
        (letter,) = await connection.fetch("select topic, source, reasons, body from dead_letters")
    assert "fsi_order_dtos[0].cnt: 必填 / required" in letter["reasons"]
    assert json.loads(VAULT.open(letter["body"]))["msgid"] == "m1"
    assert letter["source"] == "gateway H42010000001"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b'{"infno": "3101"}', b'{"infno": "9999", "msgid": 1}']
)
async def test_whatever_comes_is_answered_in_form_and_kept(opened: Open, body: bytes) -> None:
    answer = await opened.ask(body)
    assert answer["infcode"] == -1
    assert answer["err_msg"]
    assert opened.journal.state.records == 1


async def test_a_refused_message_counts_as_its_senders_where_it_names_one(opened: Open) -> None:
    """And a request as what it is, once, however often it is sent."""
    good = asked("m1", ordered("o1", NURSING, "2026-03-12 09:00:00"))
    for message in (good, good, asked("m2", ordered("o1", HBA1C, "2026-03-12 09:00:00", cnt="")), b"{", b"[]"):
        await opened.ask(message)
    await opened.ask({**asked("m3", ordered("o2", NURSING, "2026-03-12 09:00:00")), "fixmedins_code": ""})
    await opened.take_in()
    async with opened.store() as connection:
        rows = await connection.fetch(
            "select institution, kind, sum(received), sum(refused) from sendings group by 1, 2"
        )
        assert await connection.fetchval("select count(*) from dead_letters") == 4
    assert [*map(tuple, rows)] == [("H42010000001", "3101", 1, 1)]


async def test_nobody_speaks_for_another_nor_under_another_number(opened: Open) -> None:
    message = asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00"))
    assert "fixmedins_code" in (await opened.ask(message, sent_by=Sender(frozenset({"H42010000009"}))))["err_msg"]
    assert "infno" in (await opened.ask(message, infno="3102"))["err_msg"]
    assert (await opened.ask(message, infno="3101", sent_by=Sender(frozenset({"H42010000001"}))))["infcode"] == 0


async def test_answers_are_forgotten_after_a_while_and_when_they_are_too_many(opened: Open) -> None:
    opened.gateway.limits = Limits(budget=60.0, most_known=3)
    for number in range(10):
        await opened.ask(asked(f"m{number}", ordered("o1", NURSING, "2026-03-12 09:00:00")))
    assert len(opened.gateway._known) <= 4


# --- dialects


async def test_answers_are_typed_as_the_dialect_has_them(opened: Open) -> None:
    textual = replace(
        NATIONAL_DIALECT,
        answers=NATIONAL_DIALECT.answers.model_copy(update={"infcode": "text", "collections": {"result": "object"}}),
    )
    two = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")
    answer = json.loads(await opened.gateway.answer(body_of(asked("m1", *two)), textual))
    assert answer["infcode"] == "0"
    assert answer["output"]["result"]["judge_result_detail_dtos"][0]["rx_id"] == "o2"


@pytest.mark.parametrize("name", load_dialects())
async def test_each_dialects_good_message_is_answered(opened: Open, name: str) -> None:
    dialect = load_dialects()[name]
    for infno in dialect.messages:
        message = good_message(infno, dialect, orders=2) | {"msgid": f"{infno}-1"}
        answer = json.loads(await opened.gateway.answer(body_of(message), dialect))
        assert (str(answer["infcode"]), answer["err_msg"]) == ("0", "")


# --- the server


async def call(
    server: HospitalServer, method: str, path: str, body: bytes = b"", key: str = ""
) -> tuple[int, dict[str, Any]]:
    """One request to an ASGI application."""
    sent: list[Any] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    await server({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_addresses_methods_and_health(opened: Open) -> None:
    ready = True
    server = HospitalServer(
        opened.gateway, NATIONAL_DIALECT, Keys("none", NATIONAL_DIALECT, SESSIONS), Rates(1000), lambda: ready
    )
    body = body_of(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
    assert (await call(server, "POST", "/3101", body))[1]["infcode"] == 0
    assert (await call(server, "GET", "/3101"))[0] == 405
    assert (await call(server, "POST", "/2201", body))[0] == 404
    status, answer = await call(server, "POST", "/3102", body)
    assert (status, answer["infcode"]) == (200, -1)
    assert (await call(server, "GET", "/health/live"))[0] == 200
    assert (await call(server, "GET", "/health/ready"))[0] == 200
    ready = False
    assert (await call(server, "GET", "/health/ready"))[0] == 503
    assert (await call(server, "GET", "/health/live"))[0] == 200


async def test_who_shows_no_key_is_told_so_and_a_key_speaks_for_its_own_institution_alone(opened: Open) -> None:
    keys = Keys("needed", NATIONAL_DIALECT, SESSIONS)
    server = HospitalServer(opened.gateway, NATIONAL_DIALECT, keys, Rates(1000), lambda: True)
    body = body_of(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
    ends_at = datetime.now(UTC) + timedelta(days=1)
    own, others, ended = new_token(), new_token(), new_token()
    async with opened.store() as connection:
        for name, secret, places, until in (
            ("own", own, {"H42010000001"}, ends_at),
            ("others", others, {"H42010000002"}, ends_at),
        ):
            token = Token(name, frozenset({Right.ASK}), until, "test", institutions=frozenset(places))
            assert await give_token(connection, token, token_hash(secret))
        reader = Token("reader", frozenset({Right.SEE}), ends_at, "test", institutions=frozenset({"H42010000001"}))
        assert await give_token(connection, reader, token_hash(ended))
        keys.know(await find_keys(connection), VAULT)
    for key in ("", "fundwatch_none", ended):
        status, answer = await call(server, "POST", "/3101", body, key)
        assert (status, answer["infcode"], "密钥" in answer["err_msg"]) == (401, -1, True)
    assert opened.journal.state.records == 0
    assert (await call(server, "POST", "/3101", body, others))[1]["err_msg"].startswith("fixmedins_code")
    assert (await call(server, "POST", "/3101", body, own))[1]["infcode"] == 0
    async with opened.store() as connection:
        await revoke_token(connection, "own", "test")
        keys.know(await find_keys(connection), VAULT)
    assert (await call(server, "POST", "/3101", body, own))[0] == 401


async def test_a_message_that_is_too_long_is_refused_in_form(opened: Open) -> None:
    server = HospitalServer(
        opened.gateway, NATIONAL_DIALECT, Keys("none", NATIONAL_DIALECT, SESSIONS), Rates(1000), lambda: True
    )
    status, answer = await call(server, "POST", "/3101", b" " * (2 * 1024 * 1024 + 1))
    assert (status, answer["infcode"], "过长" in answer["err_msg"]) == (200, -1, True)


async def test_who_sends_too_many_is_told_so_and_stands_in_nobodys_way(opened: Open) -> None:
    server = HospitalServer(
        opened.gateway, NATIONAL_DIALECT, Keys("none", NATIONAL_DIALECT, SESSIONS), Rates(0.001), lambda: True
    )
    body = body_of(asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00")))
    status, answer = await call(server, "POST", "/3101", body)
    assert (status, answer["infcode"], "发送过快" in answer["err_msg"]) == (429, -1, True)
    assert opened.journal.state.records == 0


def test_rates_are_counted_sender_by_sender() -> None:
    rates = Rates(10)
    assert [rates.take("a", 0.0) for _ in range(int(10 * BURST) + 1)] == [True] * int(10 * BURST) + [False]
    assert rates.take("b", 0.0)
    assert [rates.take("a", at_) for at_ in (0.05, 0.1, 0.15, 0.2)] == [False, True, False, True]
    assert [rates.take("a", 1000.0) for _ in range(21)].count(True) == 20
    for number in range(MOST_SENDERS):
        rates.take(f"s{number}", 1000.0)
    assert len(rates._left) == MOST_SENDERS


def test_a_pseudonym_is_one_for_one_number_and_key() -> None:
    assert PSEUDONYMS.of(f" {PATIENT}\t") == PSEUDONYMS.of(PATIENT)
    assert PSEUDONYMS.of(PATIENT) != Pseudonyms(b"another key of the tests").of(PATIENT)
    assert PATIENT not in PSEUDONYMS.of(PATIENT)
