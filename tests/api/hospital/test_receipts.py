"""Receipts: whoever asked is told what is kept of it, by the code of the answer, and nobody else is told anything."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from zstandard import ZstdCompressor

from api.access.bearers import new_token, token_hash
from api.hospital.keys import Keys
from api.hospital.rates import Rates
from api.hospital.server import HospitalServer
from casework.rights import Right
from casework.tokens import Token
from deploy.commands.serving import gateway_of
from deploy.settings import load_settings
from streams.acts.tokens import give_token, revoke_token
from streams.store.events.prescriptions import BY_CODE
from streams.store.people.tokens import find_keys
from streams.store.sessions import open_asking_pool
from tests.reference.cases import HBA1C, NURSING
from tests.streams.replay import VAULT

from .messages import NATIONAL_DIALECT, body_of
from .test_gateway import NAME, PATIENT, PSEUDONYMS, SESSIONS, Open, asked, call, opened, ordered, results, rule_set

__all__ = ["opened", "rule_set"]

TWO = ordered("o1", NURSING, "2026-03-12 08:00:00"), ordered("o2", NURSING, "2026-03-12 09:00:00")


@pytest.fixture
def server(opened: Open) -> HospitalServer:
    """Everybody may ask."""
    keys = Keys("none", NATIONAL_DIALECT, SESSIONS)
    return HospitalServer(opened.gateway, NATIONAL_DIALECT, keys, Rates(1000), lambda: True)


async def code_of(opened: Open, message: dict[str, Any]) -> str:
    """Asks, has the store take it in, and returns the code of the answer."""
    code: str = (await opened.ask(message))["output"]["receipt"]["code"]
    await opened.take_in()
    return code


async def test_it_says_what_was_asked_and_said(opened: Open, server: HospitalServer) -> None:
    answer = await opened.ask(asked("m:1", *TWO))
    (result,) = results(answer)
    code = answer["output"]["receipt"]["code"]
    assert (await call(server, "GET", f"/receipts/{code}"))[0] == 404, "it is not stored yet"
    await opened.take_in()
    status, told = await call(server, "GET", f"/receipts/{code}")
    assert status == 200
    (kept,) = told.pop("kept")
    assert told == {
        "code": code,
        "msgid": "m:1",
        "infno": "3101",
        "asked_at": "2026-03-12 10:00:00",
        "answered_at": "2026-03-12 10:00:00",
        "outcome": "judged",
        "rule_set": opened.service.rule_set.hash,
        "as_of": answer["output"]["receipt"]["as_of"],
        "not_evaluated": [],
        "fingerprint": PSEUDONYMS.fingerprint(body_of(asked("m:1", *TWO))).hex(),
    }
    assert [of["order_id"] for of in kept["orders"]] == ["o1", "o2"]
    assert [of["warning_id"] for of in kept["advice"]["warnings"]] == [result["jr_id"]]
    assert kept["patient"] == PSEUDONYMS.of(PATIENT)
    for secret in (PATIENT, NAME, "测试乙"):
        assert secret not in json.dumps([told, kept], ensure_ascii=False)


async def test_what_was_not_judged_in_time_says_so(opened: Open, server: HospitalServer, postgres_url: str) -> None:
    async with open_asking_pool(postgres_url) as closed:
        held, opened.gateway.pool = opened.gateway.pool, closed
    answer = await opened.ask(asked("m1", *TWO))
    status, said = await call(server, "GET", f"/receipts/{answer['output']['receipt']['code']}")
    assert (status, said["infcode"]) == (503, -1)
    opened.gateway.pool = held
    await opened.take_in()
    _, told = await call(server, "GET", f"/receipts/{answer['output']['receipt']['code']}")
    assert (told["outcome"], told["rule_set"]) == ("not judged", "")
    assert {of["reason"] for of in told["not_evaluated"]} == {"数据库不可用 / store away"}


async def test_two_encounters_of_one_message_have_one(opened: Open, server: HospitalServer) -> None:
    message = asked("m1", ordered("o1", HBA1C, "2026-03-12 09:00:00"))
    (person,) = message["input"]["data"]["patient_dtos"]
    (visit,) = person["fsi_encounter_dtos"]
    person["fsi_encounter_dtos"] = [visit, visit | {"mdtrt_id": "V2", "fsi_order_dtos": [TWO[0] | {"rx_id": "o9"}]}]
    _, told = await call(server, "GET", f"/receipts/{await code_of(opened, message)}")
    assert sorted(of["encounter_id"] for of in told["kept"]) == ["V1", "V2"]


@pytest.fixture
async def keys(opened: Open) -> dict[str, str]:
    """Keys of the institution that asks and of another."""
    secrets = {"own": new_token(), "others": new_token()}
    places = {"own": "H42010000001", "others": "H42010000002"}
    ends_at = datetime.now(UTC) + timedelta(days=1)
    async with opened.store() as connection:
        for name, secret in secrets.items():
            token = Token(name, frozenset({Right.ASK}), ends_at, "test", institutions=frozenset({places[name]}))
            assert await give_token(connection, token, token_hash(secret))
    return secrets


async def test_it_is_told_to_the_institution_that_asked_alone(opened: Open, keys: dict[str, str]) -> None:
    code = await code_of(opened, asked("m1", *TWO))
    known = Keys("needed", NATIONAL_DIALECT, SESSIONS)
    server = HospitalServer(opened.gateway, NATIONAL_DIALECT, known, Rates(1000), lambda: True)
    async with opened.store() as connection:
        known.know(await find_keys(connection), VAULT)
    assert (await call(server, "GET", f"/receipts/{code}", key=keys["own"]))[0] == 200
    others = await call(server, "GET", f"/receipts/{code}", key=keys["others"])
    nothing = await call(server, "GET", "/receipts/AAAAAAAAAAAAAAAA", key=keys["others"])
    assert (others[0], others[1]["err_msg"]) == (nothing[0], nothing[1]["err_msg"])
    assert others[0] == 404
    assert (await call(server, "GET", f"/receipts/{code}"))[0] == 401
    async with opened.store() as connection:
        await revoke_token(connection, "own", "test")
        known.know(await find_keys(connection), VAULT)
    assert (await call(server, "GET", f"/receipts/{code}", key=keys["own"]))[0] == 401


async def test_it_is_told_for_as_long_as_is_set(opened: Open, server: HospitalServer) -> None:
    code = await code_of(opened, asked("m1", *TWO))
    now = opened.gateway.now()
    opened.gateway.limits = replace(opened.gateway.limits, receipts_for=timedelta(days=30))
    for days, status in ((30, 200), (31, 404)):
        opened.gateway.now = lambda days=days: now + timedelta(days=days)  # type: ignore[misc]
        assert (await call(server, "GET", f"/receipts/{code}"))[0] == status


async def test_a_gateway_keeps_to_the_setting(opened: Open, tmp_path: Path) -> None:
    settings = load_settings({"FUNDWATCH_HOME": str(tmp_path), "FUNDWATCH_GATEWAY_RECEIPT_DAYS": "90"})
    gateway = await gateway_of(settings, opened.service, opened.service.pool, opened.journal, 1.0)
    assert gateway.limits.receipts_for == timedelta(days=90)


@pytest.mark.parametrize("path", ["", "A" * 65, "a/b", "'; select 1", "%00", "凭据", "A\0"])
async def test_what_is_no_code_has_none(opened: Open, server: HospitalServer, path: str) -> None:
    assert (await call(server, "GET", f"/receipts/{path}"))[0] == 404
    assert (await call(server, "POST", f"/receipts/{path}"))[0] == 405


async def test_too_many_in_a_second_are_told_so(opened: Open) -> None:
    keys = Keys("none", NATIONAL_DIALECT, SESSIONS)
    server = HospitalServer(opened.gateway, NATIONAL_DIALECT, keys, Rates(1), lambda: True)
    assert 429 in [(await call(server, "GET", "/receipts/A"))[0] for _ in range(4)]


async def test_what_is_stored_and_cannot_be_read_is_answered_in_form(opened: Open, server: HospitalServer) -> None:
    code = await code_of(opened, asked("m1", *TWO))
    async with opened.store() as connection:
        await connection.execute("update received set body = $1", ZstdCompressor().compress(b"{not json"))
    status, said = await call(server, "GET", f"/receipts/{code}")
    assert (status, said["infcode"], "暂时无法查询" in said["err_msg"]) == (503, -1, True)


async def test_it_is_found_by_indexes(opened: Open) -> None:
    """Of 5,000 requests none but those of the code are read."""
    async with opened.store() as connection:
        await connection.execute(
            """
            insert into prescriptions (area, patient, last_day, seq, event_id, institution, encounter_id, phase,
                asked_at, code, source, digest, generation)
            select '420281', 'p' || n, '2026-03-12', n, 'e' || n, 'i', 'v', 'before', now(), 'C' || n, 's', '', 4
            from generate_series(1, 5000) n
            """
        )
        await connection.execute("analyze prescriptions")
        query = BY_CODE.replace("$1", "'C7'").replace("$2", "'2026-01-01'::timestamptz")
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {query}"))
    assert "prescriptions_by_code" in plan
    assert "Seq Scan on prescriptions" not in plan
